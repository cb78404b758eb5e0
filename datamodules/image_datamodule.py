"""From the configuration to batches: source, split, leak check, balance, prepared cache, augmentation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import pandas as pd
import torch
from omegaconf import OmegaConf
from pydantic_core import to_jsonable_python
from pytorch_lightning import LightningDataModule, Trainer
from torch.utils.data import DataLoader, Dataset

from datamodules.io.progress import processors
from datamodules.manifest.balancing import BalancePlan, plan
from datamodules.manifest.leakage import LeakReport, check_leaks, seen_by_start
from datamodules.manifest.manifest import Manifest, content_hash
from datamodules.manifest.persons import describe_copies, surplus_copies
from datamodules.manifest.splits import PARTS, UNUSED, number_of_folds, split, unused_given_parts
from datamodules.prepared_dataset import Batch, PreparedDataset, whole_batch
from datamodules.preprocessing.cache import prepared_images
from datamodules.preprocessing.frame import content_sides, frame_of
from datamodules.preprocessing.pipeline import PREPARE_VERSION, to_shape
from datamodules.samplers import EpochBatchSampler, check_shares, share_of
from datamodules.sources import find_source, scan_persons
from datamodules.transforms.augmentation import Augmentation
from datamodules.transforms.batched_augmentation import BatchedAugmentation
from datamodules.transforms.expansion import ExpandedImages, Expansion, unchanged
from datamodules.transforms.resident import ImageKeys, Key, KeyDataset, ResidentImages
from karyocyte.common.compat import position_in_epoch
from karyocyte.common.composition.compose import check_config, compose_overrides
from karyocyte.common.config.data import PrepareConfig, SourceConfig
from karyocyte.common.config.schema import Config
from karyocyte.common.files import sha256_of_value
from karyocyte.common.preemption import ignore_in_worker
from karyocyte.common.runs.distributed import World
from karyocyte.common.runs.files import RunFile
from karyocyte.common.runs.portable_folder import PortableFolder
from karyocyte.common.runs.run import DataFacts, Run
from karyocyte.common.seeds import derive_seed
from karyocyte.common.text import class_counts

# Keys of a data module that stand for a key of a section.
_SHORT = {"size": "prepare.size", "batch_size": "loader.batch_size"}


def compose_data(data: str | SourceConfig, keys: Mapping[str, Any]) -> Config:
    """Return the configuration that ``python train.py data=<data>`` would train with, but for the given keys.

    Raises:
        UserError: A key is unknown, a value does not fit, or two of them contradict one another.
    """
    given = {key: value for key, value in keys.items() if value is not None}
    if isinstance(data, str):
        options = {"data": data}
    else:
        options = {"data": data.source}
        given |= data.model_dump(mode="json")
    for group in ("transform", "balance"):
        if isinstance(given.get(group), str):
            options[group] = given.pop(group)
    composed = compose_overrides(list(map("=".join, options.items())))
    for key, value in given.items():
        place = _SHORT.get(key, key)
        if place == key and key not in composed:
            place = f"data.{key}"
        OmegaConf.update(composed, place, to_jsonable_python(value), force_add=True)
    return check_config(composed)


class ImageDataModule(LightningDataModule):
    """The images of one run, from the files to the batches.

    ``prepare_data`` fills the cache of prepared images; ``setup`` splits them, looks for leaks and plans the class
    balance. An attribute that is needed before is computed at its first use:

        data = ImageDataModule("folder", data_dir="cells", positive_class="blast", protocol="image", size=96)
        Trainer(use_distributed_sampler=False).fit(model, data)

    A batch is {"image": float32 (B, 3, H, W) in [0, 1], "label": int64 (B,), "index": int64 (B,) manifest row}; a
    training batch of several sets, some of any orientation, also says which images are surely "upright", bool (B,).

    Args:
        data: The composed configuration of a training; or the source of the images: the name of a file of conf/data/
            ("cnmc", "folder", ...), or its typed settings.
        progress: Whether progress bars may be shown.
        world: The processes that share the images, and which of them this is; those of the trainer, where it has some.
        **keys: Without a composed configuration what differs from the defaults of ``python train.py data=<data>``: keys
            and sections of conf/train.yaml; ``size`` (of ``prepare``) and ``batch_size`` (of ``loader``); the names of
            files for ``transform`` and ``balance``; and keys of conf/data/<data>.yaml, such as ``positive_class``.

    Raises:
        UserError: A key is unknown or a value does not fit.
    """

    default_source: ClassVar[str] = "cnmc"

    def __init__(
        self,
        data: Config | SourceConfig | str | None = None,
        *,
        progress: bool = True,
        world: World = World(),  # noqa: B008 (frozen)
        **keys: Any,
    ) -> None:
        super().__init__()
        if not isinstance(data, Config):
            data = compose_data(data or self.default_source, keys)
        self.config = data
        self.cache_dir = Path(self.config.cache_dir)
        self.progress = progress and world.is_first
        self.world = world

    @cached_property
    def scanned(self) -> Manifest:
        """All images of the source; subjects that share identical files are one person."""
        return scan_persons(self.config, self.progress)

    @cached_property
    def expansion(self) -> Expansion:
        """All images; under the protocol ``paper`` with the copies that the paper of the data set makes beforehand."""
        source = find_source(self.config.data.source)
        expand = source.expand if source else None
        if expand is None or self.config.protocol != "paper":
            return unchanged(self.scanned, self.config.transform)
        return expand(self.scanned, self.config)

    @cached_property
    def images(self) -> np.ndarray | ExpandedImages:
        """The prepared images by manifest row, uint8, shape (N, H, W, 3)."""
        return self.expansion.images(self._prepared)

    def prepare_data(self) -> None:
        """Fill the cache of prepared images; enough in one process per node."""
        _ = self._prepared

    @cached_property
    def _prepared(self) -> np.memmap:
        return prepared_images(self.scanned, self.prepare, self.cache_dir, self.progress)

    @cached_property
    def prepare(self) -> PrepareConfig:
        """The preparation of the images; a frame that the configuration leaves open is that of the training images."""
        prepare = self.config.prepare
        if prepare.measures_frame:
            sides = self._content_sides[self.expansion.origin[self.rows("train")]]
            prepare = prepare.model_copy(update={"frame": frame_of(sides)})
        return prepare

    @cached_property
    def _content_sides(self) -> np.ndarray:
        return content_sides(self.scanned, self.config.prepare, self.cache_dir, self.progress)

    def shrunk(self) -> list[str]:
        """Return how many images are larger than the frame, as a line; none without a frame."""
        frame = self.prepare.frame
        if frame is None:
            return []
        count = f"{(self._content_sides > frame).sum():,} of {len(self._content_sides):,} images"
        return [f"prepare.frame={frame}: {count} have content larger than this and are shrunk"]

    def setup(self, stage: str | None = None) -> None:
        """Split the images, look for leaks and plan the balance; nothing is written into a run."""
        _ = self.leaks, self.seen  # computed at their first use, which may stop the run
        check_shares(len(self.plan.rows), "train", self.world)
        check_shares(len(self.rows("validation")), "validation", self.world)
        _ = self.prepare  # measures a frame

    @cached_property
    def manifest(self) -> Manifest:
        """The images, and what is known of them."""
        return self.expansion.manifest

    def image_names(self, rows: Sequence[int]) -> list[str]:
        """Return the paths of images, below the data's folder, by their manifest rows."""
        names: list[str] = self.manifest.frame["path"].iloc[list(rows)].tolist()
        return names

    @cached_property
    def parts(self) -> pd.Series:
        """The part of each manifest row: "train", "validation", "test" or "unused"."""
        return split(self.manifest, self.config.protocol, self.config.split, self.config.data.paper_split)

    @cached_property
    def surplus(self) -> pd.Series:
        """The images that are left out as copies of a file, as `surplus_copies` says; ``paper`` leaves out none."""
        copies = surplus_copies(self.manifest)
        return copies[:0] if self.config.protocol == "paper" else copies

    @property
    def remarks(self) -> list[str]:
        """What is to be said of the images before anything is done with them, a line each."""
        return [*self.manifest.remarks, *describe_copies(self.surplus)]

    @cached_property
    def leaks(self) -> LeakReport:
        """The images that are in two parts."""
        return check_leaks(self.manifest, self.parts, self.config.protocol, self.config.split)

    @cached_property
    def seen(self) -> int:
        """How many validation and test images ``init_from`` has seen; 0 of a portable model, which does not say it."""
        if not self.config.init_from or self._from_portable:
            return 0
        return seen_by_start(Path(self.config.init_from), self.manifest, self.parts, self.config.protocol)

    @property
    def _from_portable(self) -> bool:
        return self.config.init_from is not None and PortableFolder.is_portable(Path(self.config.init_from))

    @cached_property
    def plan(self) -> BalancePlan:
        """The images of an epoch and their weights."""
        train = self.rows("train")
        seed = derive_seed("balance", self.config.seed, self.config.split.seed, self.config.split.fold)
        balance = self.config.balance.name
        if balance == "hem_all" and self.expansion.is_balanced:
            balance = "none"  # what was evened out before the split is not evened out again
        planned = plan(self.labels[train], train, len(self.manifest.classes), balance, seed)
        weights = {entry.weight for entry in self.manifest.sets.values()}
        return planned if len(weights) < 2 else planned.weighted(self._of_sets("weight"))

    def _of_sets(self, fact: str) -> np.ndarray:
        """Return a fact of the set of each manifest row, shape (images,)."""
        facts = {name: getattr(entry, fact) for name, entry in self.manifest.sets.items()}
        return np.asarray(self.manifest.frame["group"].map(facts))

    @cached_property
    def _upright(self) -> torch.Tensor | None:
        """Which manifest rows are surely upright, bool, shape (images,); None where all are, as far as is known."""
        if all(entry.upright for entry in self.manifest.sets.values()):
            return None
        return torch.from_numpy(self._of_sets("upright").astype(bool))

    @cached_property
    def labels(self) -> np.ndarray:
        """The class index of every manifest row, int64, shape (images,); -1 where the label is unknown."""
        codes = pd.Categorical(self.manifest.frame["label"], self.manifest.classes).codes
        return np.asarray(codes, np.int64)

    def rows(self, part: str) -> np.ndarray:
        """Return the manifest rows of a part ("train", "validation", "test", "unused"), int64, ascending."""
        return np.flatnonzero(self.parts.to_numpy() == part)

    @cached_property
    def predicted(self) -> np.ndarray:
        """The manifest rows of the validation and, after them, of the test part, int64."""
        return np.concatenate([self.rows("validation"), self.rows("test")])

    def prepared(self, rows: np.ndarray) -> np.ndarray:
        """Return images of some manifest rows, not augmented, uint8, shape (N, H, W, 3)."""
        return np.stack([to_shape(np.asarray(self.images[int(row)]), self.config.prepare) for row in rows])

    def train_dataloader(self) -> DataLoader[Batch] | DataLoader[Key]:
        """Batches of the balanced, augmented train part: this process's share of each."""
        sampler = self.train_sampler(self._position)
        if self.config.transform.batched:
            keys = KeyDataset(self.plan.rows, self.plan.copy, self.labels)
            return DataLoader(keys, batch_sampler=sampler, collate_fn=ImageKeys.collate)
        return self.loader(self.training_set(), batch_sampler=sampler)

    def training_set(self) -> Dataset[Any]:
        """Return the augmented images of an epoch, by their place in ``plan``."""
        plan = self.plan
        # What was done before the split is not done again.
        augmentation = Augmentation(self.expansion.transform, self.config.seed)
        return PreparedDataset(self.images, plan.rows, self.labels, plan.copy, augmentation, self.config.prepare)

    def plain_set(self, rows: np.ndarray) -> Dataset[Any]:
        """Return the images of some manifest rows, not augmented."""
        return PreparedDataset(self.images, rows, self.labels, prepare=self.config.prepare)

    def of_training_images(self, count: int) -> "RowsDataModule":
        """Return at most ``count`` of the training images, evenly spaced in the manifest, each once, not augmented."""
        rows = np.unique(self.plan.rows)
        return RowsDataModule(self, rows[_evenly_spaced(len(rows), count)])

    def val_dataloader(self) -> DataLoader[Batch]:
        """This process's share of the validation part, in the manifest's order, not augmented."""
        return self.in_order(self.rows("validation"), self.trainer)

    def test_dataloader(self) -> DataLoader[Batch]:
        """This process's share of the test part, likewise."""
        return self.in_order(self.rows("test"), self.trainer)

    def predict_dataloader(self) -> DataLoader[Batch]:
        """This process's share of ``predicted``, not augmented: what predictions are written for."""
        return self.in_order(self.predicted, self.trainer)

    def on_after_batch_transfer(self, batch: Batch | ImageKeys, dataloader_idx: int) -> dict[str, torch.Tensor]:
        """Name the parts of a batch and scale the images to [0, 1]; uint8 until here, a quarter of the transfer.

        With ``transform.batched`` a training batch has the keys of images alone: they are taken and transformed here.
        """
        if isinstance(batch, ImageKeys):
            return self._transformed(batch)
        image, label, index = batch
        image = image.to(torch.float32, memory_format=torch.contiguous_format).div_(255)
        return {"image": image, "label": label, "index": index}

    def describe(self) -> list[str]:
        """Return what the user should know of the data before the training starts, a line each."""
        manifest = self.manifest
        synthetic = " (SYNTHETIC: no patients)" if manifest.synthetic else ""
        lines = [f"data: {manifest.source}{synthetic}, protocol={self.config.protocol}"]
        for remark in self.remarks:  # the evaluation says in which folders images are missing
            if remark in manifest.incomplete:
                remark = remark.partition(" (")[0]
            lines.append(remark)
        counts = pd.crosstab(self.parts, manifest.frame["label"].fillna("")).reindex(columns=manifest.classes)
        for part, size in self.parts.value_counts().reindex([*PARTS, UNUSED]).dropna().astype(int).items():
            lines.append(f"{part}: {size} images ({class_counts(counts.loc[part].fillna(0).astype(int).to_dict())})")
        copies = int((self.plan.copy > 0).sum())
        lines.append(f"balance={self.config.balance.name}: {len(self.plan.rows)} per epoch, {copies} of them copies")
        return lines + self.shrunk()

    def content_hash(self) -> str:
        """Return a SHA-256 over the images, their labels, and the version of the code that prepares them."""
        return sha256_of_value([content_hash(self.manifest), PREPARE_VERSION])

    def facts(self) -> dict[str, Any]:
        """Return what the predictions say of their data: source, folds and what leaks between the parts."""
        return {
            "source": self.manifest.source,
            "synthetic": self.manifest.synthetic,
            "folds": number_of_folds(self.manifest, self.config.protocol, self.config.split),
            "leaks": {**self.leaks.counts(), "seen_by_start": self.seen},
            "incomplete": "; ".join(self.manifest.incomplete) or None,
        }

    def warnings(self) -> list[str]:
        """Return what is missing or passed over, and what leaks before the split, between parts, by ``init_from``."""
        passed_over = unused_given_parts(self.manifest, self.config.protocol, self.config.split)
        lines = [*self.manifest.missing_classes(), *passed_over, *self.expansion.warnings, *self.leaks.lines()]
        if self.seen:
            lines.append(f"init_from has seen {self.seen} of the images that evaluate this run")
        if self._from_portable:
            lines.append("init_from does not list its training images: test on its own fold, or on new images")
        return lines

    def write_facts(self, folder: Path) -> None:
        """Write split, facts and leaks into the folder of a run."""
        frame = self.manifest.frame[["image_id", "path", "label", "subject", "sha256"]].assign(part=self.parts)
        run = Run(folder)
        run.write_split(frame)
        run.write_json(RunFile.LEAKS, self.leaks.as_dict())
        manifest = self.manifest
        facts = {**self.facts(), "notes": (*manifest.notes, *self.shrunk()), "skipped": manifest.skipped}
        facts["persons"] = [asdict(person) for person in manifest.persons]
        facts["copies"] = dict(zip(manifest.frame["path"][self.surplus.index], self.surplus, strict=True))
        run.write_data(DataFacts(manifest.classes, manifest.positive_class, **facts))
        if len(self.leaks.pairs):
            self.leaks.write_pairs(run.path(RunFile.NEAR_DUPLICATES))

    def train_sampler(self, position: Callable[[], tuple[int, int]]) -> EpochBatchSampler:
        """Return the order of the training images; ``position`` as of `EpochBatchSampler`."""
        plan = self.plan
        size = self.config.loader.batch_size
        world = self._present_world(self.trainer)
        return EpochBatchSampler(len(plan.rows), size, self.config.seed, position, plan.sample_weights, world)

    @cached_property
    def _resident(self) -> ResidentImages:
        return ResidentImages.load(self.images, self.plan.rows)

    def _transformed(self, keys: ImageKeys) -> dict[str, torch.Tensor]:
        self._resident = self._resident.to(keys.row.device)
        augmentation = BatchedAugmentation(self.expansion.transform, self.config.seed)
        image = augmentation(self._resident.take(keys.row), keys.epoch, keys.row, keys.copy)
        batch = {"image": image.expand(-1, 3, -1, -1), "label": keys.label, "index": keys.row}
        if self._upright is not None:
            self._upright = self._upright.to(keys.row.device)
            batch["upright"] = self._upright[keys.row]
        return batch

    def in_order(self, rows: np.ndarray, trainer: Trainer | None) -> DataLoader[Batch]:
        """Return the share that a process of a trainer has of images of some manifest rows, not augmented."""
        rows = share_of(rows, self._present_world(trainer))
        return self.loader(self.plain_set(rows), batch_size=self.config.loader.batch_size)

    def _present_world(self, trainer: Trainer | None) -> World:
        """The processes of a trainer, where it has several."""
        if trainer is not None and trainer.world_size > 1:
            return World(trainer.world_size, trainer.global_rank)
        return self.world

    def loader(self, dataset: Dataset[Any], **batches: Any) -> DataLoader[Any]:
        """Return the batches of a data set, loaded as ``loader`` says; ``batches`` are arguments of DataLoader."""
        workers = self.config.loader.workers
        return DataLoader(
            dataset,
            collate_fn=whole_batch,
            num_workers=processors() - 1 if workers == "cores" else workers,
            pin_memory=torch.cuda.is_available(),
            worker_init_fn=_set_up_worker,
            **batches,
        )

    def _position(self) -> tuple[int, int]:
        return position_in_epoch(self.trainer)


class RowsDataModule(LightningDataModule):
    """Serves images of some manifest rows of a data module, int64, to a prediction: in their order, not augmented."""

    def __init__(self, data: ImageDataModule, rows: np.ndarray) -> None:
        super().__init__()
        self.data = data
        self.rows = rows

    def predict_dataloader(self) -> DataLoader[Batch]:
        """Return this process's share of the images."""
        return self.data.in_order(self.rows, self.trainer)

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> dict[str, torch.Tensor]:
        """Scale the images."""
        return self.data.on_after_batch_transfer(batch, dataloader_idx)


def _evenly_spaced(length: int, count: int) -> np.ndarray:
    """Return at most ``count`` indices of ``length`` items, int64, from the first to the last."""
    return np.linspace(0, length - 1, min(count, length), dtype=np.int64)


def _set_up_worker(worker: int) -> None:
    """OpenCV's own threads times the workers would be more than the cores; and the parent handles signals."""
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    ignore_in_worker()
