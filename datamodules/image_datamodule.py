"""From the configuration to batches: source, split, leak check, balance, prepared cache, augmentation."""

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import cv2
import numpy as np
import pandas as pd
import torch
from pytorch_lightning import LightningDataModule
from torch.utils.data import DataLoader

from common.compat import position_in_epoch
from common.config.base import StrictModel
from common.config.compose import typed_section
from common.config.data import BalanceConfig, LoaderConfig, PrepareConfig, SourceConfig, SplitConfig, TransformConfig
from common.config.defaults import group_defaults, layered_choice, layered_value, own_image_layers
from common.config.schema import Config
from common.files import sha256_of_value
from common.preemption import ignore_in_worker
from common.runs.distributed import World
from common.runs.files import RunFile
from common.runs.run import DataFacts, Run
from common.seeds import derive_seed
from common.text import class_counts
from datamodules.manifest.balancing import BalancePlan, plan
from datamodules.manifest.leakage import LeakReport, check_leaks, seen_by_start, write_contact_sheet
from datamodules.manifest.manifest import Manifest, content_hash
from datamodules.manifest.splits import number_of_folds, split
from datamodules.prepared_dataset import Batch, PreparedDataset, whole_batch
from datamodules.preprocessing.ahead import PreparedAhead
from datamodules.preprocessing.cache import prepared_folder, prepared_images
from datamodules.preprocessing.pipeline import PREPARE_VERSION, to_shape
from datamodules.samplers import EpochBatchSampler, check_shares, share_of
from datamodules.sources import scan, source_config
from datamodules.transforms.augmentation import Augmentation
from datamodules.transforms.batched_augmentation import BatchedAugmentation
from datamodules.transforms.presplit_augmentation import ExpandedImages, Expansion, expand
from datamodules.transforms.resident import ImageKeys, Key, KeyDataset, ResidentImages

Section = TypeVar("Section", bound=StrictModel)


class ImageDataModule(LightningDataModule):
    """The images of one run, from the files to the batches.

    ``prepare_data`` fills the cache of prepared images; ``setup`` splits them, looks for leaks and plans the class
    balance. Both may be called in any order and any number of times, and Lightning calls them itself; an attribute
    that is needed before is computed at its first use:

        data = ImageDataModule("folder", data_dir="cells", positive_class="blast", protocol="image", size=96)
        Trainer(use_distributed_sampler=False).fit(model, data)

    A batch is {"image": float32 (B, 3, H, W) in [0, 1], "label": int64 (B,), "index": int64 (B,) manifest row}.
    What is not given has the default of conf/train.yaml, which the data modules of `datamodules.datasets` change.

    Args:
        data: The source: the name of a file of conf/data/ ("cnmc", "folder", ...), or its typed settings.
        data_dir: The folder of the images, or a zip file of it; None: $KARYOCYTE_DATA_DIR.
        cache_dir: Where prepared, unpacked and drawn images are kept; None: $KARYOCYTE_CACHE_DIR, or ``cache``.
        protocol: "subject" (no subject in two parts), "image" or "paper" (its leaks included).
        seed: Of the order and of the augmentation.
        init_from: The folder of a run whose weights are started from: what it saw must not be validated or tested on.
        split: Settings of the split: typed, or those keys that differ from the defaults; like the following ones.
        prepare: Deterministic preparation.
        transform: Random transforms; or the name of a file of conf/transform/.
        balance: "none", "paper", "hem_all", "weighted_sampling" or "class_weights".
        loader: Batches.
        size: Shorthand of ``prepare={"size": ...}``: side of the images in pixels, or height and width.
        batch_size: Shorthand of ``loader={"batch_size": ...}``: images per process.
        progress: Whether progress bars may be shown.
        world: The processes that share the images, and which of them this is; those of the trainer, where it has some.
        **source: Further keys of conf/data/<source>.yaml, such as ``positive_class``.

    Raises:
        UserError: A key is unknown or a value does not fit.
    """

    # What the defaults are: a file of conf/data/, and files of conf/ that change those of conf/train.yaml.
    default_source: ClassVar[str] = "cnmc"
    default_layers: ClassVar[tuple[str, ...]] = ()

    def __init__(  # noqa: PLR0913 (all but the first are keywords)
        self,
        data: str | SourceConfig | None = None,
        *,
        data_dir: str | Path | None = None,
        cache_dir: str | Path | None = None,
        protocol: str | None = None,
        seed: int = 0,
        init_from: str | Path | None = None,
        split: SplitConfig | Mapping[str, Any] | None = None,
        prepare: PrepareConfig | Mapping[str, Any] | None = None,
        transform: TransformConfig | Mapping[str, Any] | str | None = None,
        balance: str | None = None,
        loader: LoaderConfig | Mapping[str, Any] | None = None,
        size: int | tuple[int, int] | None = None,
        batch_size: int | None = None,
        progress: bool = True,
        world: World = World(),  # noqa: B008 (frozen)
        **source: Any,
    ) -> None:
        super().__init__()
        if size is not None:
            prepare = {**dict(prepare or {}), "size": size}
        if batch_size is not None:
            loader = {**dict(loader or {}), "batch_size": batch_size}
        self.source = source_config(data or self.default_source, **source)
        self.layers = (*own_image_layers(self.source.source), *self.default_layers)
        self.data_dir = data_dir or layered_value("data_dir", self.layers)
        self.cache_dir = Path(cache_dir or layered_value("cache_dir", self.layers))
        self.protocol = protocol or layered_value("protocol", self.layers, self.source.model_dump())
        self.seed = seed
        self.init_from = init_from
        self.split_config = self._section(SplitConfig, "split", split)
        self.prepare_config = self._section(PrepareConfig, "prepare", prepare)
        self.loader_config = self._section(LoaderConfig, "loader", loader)
        self.transform_config = self._transform(transform)
        self.balance = self._balance(balance)
        self.progress = progress and world.is_first
        self.world = world

    @classmethod
    def from_config(cls, config: Config, progress: bool = True, world: World = World()) -> "ImageDataModule":  # noqa: B008
        """Return the data module of a composed configuration."""
        keys = ("data_dir", "cache_dir", "protocol", "seed", "init_from", "split", "prepare", "transform", "loader")
        settings = {key: getattr(config, key) for key in keys}
        module = cls(config.data, **settings, balance=config.balance.name, progress=progress, world=world)
        module.data_dir = config.data_dir  # also where it is null: the composition has looked for the default
        return module

    @cached_property
    def scanned(self) -> Manifest:
        """All images of the source."""
        return scan(self.source, self.data_dir, self.cache_dir, self.progress, self._ahead)

    @cached_property
    def _ahead(self) -> PreparedAhead:
        return PreparedAhead(self.prepare_config, prepared_folder(self.cache_dir))

    @cached_property
    def expansion(self) -> Expansion:
        """All images, with the copies of those that are augmented before the split."""
        return expand(self.scanned, self.source, self.protocol, self.split_config, self.transform_config)

    @cached_property
    def images(self) -> np.ndarray | ExpandedImages:
        """The prepared images by manifest row, uint8, shape (N, H, W, 3)."""
        return self.expansion.images(self._prepared)

    def prepare_data(self) -> None:
        """Fill the cache of prepared images; enough in one process per node.

        Raises:
            UserError: The images cannot be read or prepared.
        """
        _ = self._prepared

    @cached_property
    def _prepared(self) -> np.memmap:
        return prepared_images(self.scanned, self.prepare_config, self.cache_dir, self.progress, self._ahead)

    def setup(self, stage: str | None = None) -> None:
        """Split the images, look for leaks and plan the balance; nothing is written into a run.

        Raises:
            UserError: The data cannot be used as configured: see the sources, splits and leaks.
        """
        for name in ("parts", "leaks", "seen", "plan"):
            getattr(self, name)  # each is computed at its first use
        check_shares(len(self.plan.rows), "train", self.world)
        check_shares(len(self.rows("validation")), "validation", self.world)

    @cached_property
    def manifest(self) -> Manifest:
        """The images, and what is known of them."""
        return self.expansion.manifest

    def image_names(self, rows: Sequence[int]) -> list[str]:
        """Return the paths of images, below the data's folder, by their manifest rows."""
        return [str(path) for path in self.manifest.frame["path"].iloc[list(rows)]]

    @cached_property
    def parts(self) -> pd.Series:
        """The part of each manifest row: "train", "validation", "test" or "unused"."""
        return split(self.manifest, self.protocol, self.split_config, self.source.paper_split)

    @cached_property
    def leaks(self) -> LeakReport:
        """The images that are in two parts."""
        return check_leaks(self.manifest, self.parts, self.protocol, self.split_config)

    @cached_property
    def seen(self) -> int:
        """How many validation and test images ``init_from`` has seen."""
        if not self.init_from:
            return 0
        return seen_by_start(Path(self.init_from), self.manifest, self.parts, self.protocol)

    @cached_property
    def plan(self) -> BalancePlan:
        """The images of an epoch and their weights."""
        train = self.rows("train")
        seed = derive_seed("balance", self.seed, self.split_config.seed, self.split_config.fold)
        # What was evened out before the split is not evened out again.
        balance = "none" if self.balance == "hem_all" and self.expansion.is_balanced else self.balance
        return plan(self.labels[train], train, len(self.manifest.classes), balance, seed)

    @cached_property
    def labels(self) -> np.ndarray:
        """The class index of every manifest row, int64, shape (images,); -1 where the label is unknown."""
        return np.asarray(self.manifest.class_indices, np.int64)

    def rows(self, part: str) -> np.ndarray:
        """Return the manifest rows of a part ("train", "validation", "test", "unused"), int64, ascending."""
        return np.flatnonzero(self.parts.to_numpy() == part)

    @cached_property
    def predicted(self) -> np.ndarray:
        """The manifest rows of the validation and, after them, of the test part, int64."""
        return np.concatenate([self.rows("validation"), self.rows("test")])

    def training_sample(self, count: int) -> torch.Tensor:
        """Return at most ``count`` prepared training images, evenly spaced in the manifest, not augmented.

        Returns:
            float32 in [0, 1], shape (images, 3, H, W).
        """
        rows = self.rows("train")
        sample = rows[_evenly_spaced(len(rows), count)]
        return torch.from_numpy(self.prepared(sample).transpose(0, 3, 1, 2).copy()).float() / 255

    def prepared(self, rows: np.ndarray) -> np.ndarray:
        """Return images of some manifest rows, not augmented, uint8, shape (N, H, W, 3)."""
        return np.stack([to_shape(np.asarray(self.images[int(row)]), self.prepare_config) for row in rows])

    def train_dataloader(self) -> DataLoader[Batch] | DataLoader[Key]:
        """Batches of the balanced, augmented train part: this process's share of each."""
        return self._train_loader(self.train_sampler(self._position))

    def _train_loader(self, sampler: EpochBatchSampler) -> DataLoader[Batch] | DataLoader[Key]:
        plan = self.plan
        if self.transform_config.batched:
            keys = KeyDataset(plan.rows, plan.copy, self.labels)
            return DataLoader(keys, batch_sampler=sampler, collate_fn=ImageKeys.collate)
        # What was done before the split is not done again.
        augmentation = Augmentation(self.expansion.transform, self.seed)
        dataset = PreparedDataset(self.images, plan.rows, self.labels, plan.copy, augmentation, self.prepare_config)
        return self.loader(dataset, batch_sampler=sampler)

    def of_training_images(self, count: int) -> "ImageDataModule":
        """Return this data module with a ``predict_dataloader`` of training images; it shares what is computed.

        They are at most ``count`` of those that train, evenly spaced in the manifest, each once and not augmented.
        """
        rows = np.unique(self.plan.rows)
        module = copy.copy(self)
        module.trainer = None
        module.predicted = rows[_evenly_spaced(len(rows), count)]
        return module

    def val_dataloader(self) -> DataLoader[Batch]:
        """This process's share of the validation part, in the manifest's order, not augmented."""
        return self._in_order(self.rows("validation"))

    def test_dataloader(self) -> DataLoader[Batch]:
        """This process's share of the test part, likewise."""
        return self._in_order(self.rows("test"))

    def predict_dataloader(self) -> DataLoader[Batch]:
        """This process's share of ``predicted``, not augmented: what predictions are written for."""
        return self._in_order(self.predicted)

    def on_after_batch_transfer(self, batch: Batch | ImageKeys, dataloader_idx: int) -> dict[str, torch.Tensor]:
        """Name the parts of a batch and scale the images to [0, 1]; uint8 until here, a quarter of the transfer.

        With ``transform.batched`` a training batch has the keys of images alone: they are taken and transformed here.
        """
        if isinstance(batch, ImageKeys):
            return self._transformed(batch)
        image, label, index = batch
        return {"image": image.float().div_(255), "label": label, "index": index}

    def describe(self) -> list[str]:
        """Return what the user should know of the data before the training starts, a line each."""
        manifest = self.manifest
        drawn = " (SYNTHETIC: drawn, no patients)" if manifest.synthetic else ""
        lines = [f"data: {manifest.source}{drawn}, protocol={self.protocol}"]
        for remark in manifest.remarks:  # the evaluation says in which folders images are missing
            lines.append(remark.partition(" (")[0] if remark in manifest.incomplete else remark)
        for part in ("train", "validation", "test", "unused"):
            labels = manifest.frame["label"].iloc[self.rows(part)]
            if len(labels) or part != "unused":
                counts = {name: int((labels == name).sum()) for name in manifest.classes}
                lines.append(f"{part}: {len(labels)} images ({class_counts(counts)})")
        copies = int((self.plan.copy > 0).sum())
        lines.append(f"balance={self.balance}: {len(self.plan.rows)} per epoch, {copies} of them copies")
        return lines

    def content_hash(self) -> str:
        """Return a SHA-256 over the images, their labels, and the version of the code that prepares them."""
        return sha256_of_value([content_hash(self.manifest), PREPARE_VERSION])

    def facts(self) -> dict[str, Any]:
        """Return what the predictions say of their data: source, folds and what leaks between the parts."""
        return {
            "source": self.manifest.source,
            "synthetic": self.manifest.synthetic,
            "folds": number_of_folds(self.manifest, self.protocol, self.split_config),
            "leaks": {**self.leaks.counts(), "seen_by_start": self.seen},
            "incomplete": "; ".join(self.manifest.incomplete) or None,
        }

    def warnings(self) -> list[str]:
        """Return which classes are missing, and what leaks before the split, between parts, through ``init_from``."""
        lines = [*self.manifest.missing_classes(), *self.expansion.warnings, *self.leaks.lines()]
        if self.seen:
            lines.append(f"init_from has seen {self.seen} of the images that evaluate this run")
        return lines

    def write_facts(self, folder: Path) -> None:
        """Write split, facts and leaks, and the sheet of pairs across parts, into the folder of a run."""
        frame = self.manifest.frame[["image_id", "path", "label", "subject", "sha256"]].assign(part=self.parts)
        run = Run(folder)
        run.write_split(frame)
        run.write_json(RunFile.LEAKS, self.leaks.as_dict())
        manifest = self.manifest
        facts = {**self.facts(), "notes": manifest.notes, "skipped": manifest.skipped}
        run.write_data(DataFacts(manifest.classes, manifest.positive_class, **facts))
        if write_contact_sheet(self.leaks, manifest, run.path(RunFile.NEAR_DUPLICATES_SHEET)):
            self.leaks.write_pairs(run.path(RunFile.NEAR_DUPLICATES))

    def train_sampler(self, position: Callable[[], tuple[int, int]]) -> EpochBatchSampler:
        """Return the order of the training images.

        Args:
            position: Returns the epoch that begins and its first batch, see `EpochBatchSampler`.
        """
        plan = self.plan
        size = self.loader_config.batch_size
        return EpochBatchSampler(len(plan.rows), size, self.seed, position, plan.sample_weights, self._present_world())

    @cached_property
    def _resident(self) -> ResidentImages:
        return ResidentImages.load(self.images, self.plan.rows)

    def _transformed(self, keys: ImageKeys) -> dict[str, torch.Tensor]:
        self._resident = self._resident.to(keys.row.device)
        augmentation = BatchedAugmentation(self.expansion.transform, self.seed)
        image = augmentation(self._resident.take(keys.row), keys.epoch, keys.row, keys.copy)
        return {"image": image.expand(-1, 3, -1, -1), "label": keys.label, "index": keys.row}

    def _section(self, model: type[Section], name: str, values: Section | Mapping[str, Any] | None) -> Section:
        if isinstance(values, model):
            return values
        return typed_section(model, layered_value(name, self.layers), values or {}, name)

    def _transform(self, transform: TransformConfig | Mapping[str, Any] | str | None) -> TransformConfig:
        if transform is None:
            transform = layered_choice("transform", self.layers)
        if isinstance(transform, str):
            return typed_section(TransformConfig, group_defaults("transform", transform), {}, "transform")
        return typed_section(TransformConfig, group_defaults("transform", "none"), transform, "transform")

    def _balance(self, name: str | None) -> str:
        name = name or layered_choice("balance", self.layers)
        return typed_section(BalanceConfig, group_defaults("balance", name), {}, "balance").name

    def _present_world(self) -> World:
        """The processes of the trainer, where it has several."""
        if self.trainer is not None and self.trainer.world_size > 1:
            return World(self.trainer.world_size, self.trainer.global_rank)
        return self.world

    def _in_order(self, rows: np.ndarray) -> DataLoader[Batch]:
        rows = share_of(rows, self._present_world())
        dataset = PreparedDataset(self.images, rows, self.labels, prepare=self.prepare_config)
        return self.loader(dataset, batch_size=self.loader_config.batch_size)

    def loader(self, dataset: PreparedDataset, **batches: Any) -> DataLoader[Batch]:
        """Return the batches of a data set, loaded as ``loader`` says; ``batches`` are arguments of DataLoader."""
        return DataLoader(
            dataset,
            collate_fn=whole_batch,
            num_workers=self.loader_config.workers,
            pin_memory=self.loader_config.pin_memory,
            worker_init_fn=_set_up_worker,
            persistent_workers=False,
            **batches,
        )

    def _position(self) -> tuple[int, int]:
        return position_in_epoch(self.trainer)


def _evenly_spaced(length: int, count: int) -> np.ndarray:
    """Return at most ``count`` indices of ``length`` items, int64, from the first to the last."""
    return np.linspace(0, length - 1, min(count, length), dtype=np.int64)


def _set_up_worker(worker: int) -> None:
    """OpenCV's own threads times the workers would be more than the cores; and the parent handles signals."""
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    ignore_in_worker()
