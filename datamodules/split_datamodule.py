"""What all data modules of a run have in common: the scanned images, their split and its leaks, and the loaders."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import pandas as pd
import torch
from pytorch_lightning import LightningDataModule, Trainer
from pytorch_lightning.trainer.states import TrainerStatus
from torch.utils.data import DataLoader, Dataset

from datamodules.manifest.balancing import BalancePlan
from datamodules.manifest.leakage import LeakReport, check_leaks, seen_by_start
from datamodules.manifest.manifest import Manifest, content_hash
from datamodules.manifest.persons import surplus_copies
from datamodules.manifest.splits import PARTS, UNUSED, number_of_folds, split, unused_given_parts
from datamodules.prepared_dataset import whole_batch
from datamodules.preprocessing.pipeline import PREPARE_VERSION
from datamodules.samplers import EpochBatchSampler, check_shares, share_of
from datamodules.sources import scan_persons
from karyocyte.common.compat import position_in_epoch
from karyocyte.common.errors import UserError
from karyocyte.common.files import sha256_of_value
from karyocyte.common.preemption import ignore_in_worker
from karyocyte.common.system import processors
from karyocyte.common.text import class_sizes, counted
from karyocyte.config.distributed import World
from karyocyte.config.schema import TrainingConfig
from karyocyte.config.sources import SourceConfig
from karyocyte.runs.facts import DataFacts
from karyocyte.runs.files import RunFile
from karyocyte.runs.run import Run


class SplitDataModule(LightningDataModule, ABC):
    """The images of one run: scanned, split and checked for leaks. A subclass defines a batch.

    An attribute is computed at its first use; ``setup`` computes all that may stop the run.

    Args:
        data: The composed configuration of a training; or the source of the images: the name of a file of conf/data/
            ("cnmc", "folder", ...), or its typed settings.
        progress: Whether progress bars may be shown.
        world: The processes that share the images, and which of them this is; those of the trainer, if it has several.
        **keys: Without a composed configuration what differs from the defaults of ``python train.py data=<data>``: keys
            and sections of conf/run.yaml and conf/train.yaml; the keys of ``split``, ``loader`` and ``prepare``, such
            as ``fold``, ``batch_size`` and ``clahe``; the names of files for ``transform`` and ``balance``; and keys of
            conf/data/<data>.yaml, such as ``positive_class``.

    Raises:
        UserError: A key is unknown or a value does not fit.
    """

    default_source: ClassVar[str]
    primary: ClassVar[str] = "train"  # configuration of a training with such data
    starts: ClassVar[tuple[str, ...]] = ("init_from",)  # keys of a run to begin from, which has trained on images
    _takes: ClassVar[Any]  # the classes of configurations that this data module reads
    config: TrainingConfig

    def __init__(
        self,
        data: TrainingConfig | SourceConfig | str | None = None,
        *,
        progress: bool = True,
        world: World = World(),  # noqa: B008 (frozen)
        **keys: Any,
    ) -> None:
        super().__init__()
        self._in_words: Callable[[], AbstractContextManager[None]] = nullcontext  # in it, errors name arguments
        self.config = data if isinstance(data, TrainingConfig) else self._compose(data or self.default_source, keys)
        if not isinstance(self.config, self._takes):
            source, recipe = self.config.data.source, self.config.recipe
            raise UserError(f"data={source} is for a {recipe}: {type(self).__name__} does not read it")
        self.cache_dir = Path(self.config.cache_dir)
        self.progress = progress and world.is_first
        self.world = world

    def _compose(self, source: SourceConfig | str, keys: dict[str, Any]) -> TrainingConfig:
        from datamodules.arguments import compose_data  # here: the commands have composed it already

        config, self._in_words = compose_data(source, keys, self.primary)
        return config

    @abstractmethod
    def training_set(self) -> Dataset[Any]:
        """Return the images of an epoch as they are trained on, by their index in ``plan``."""

    @abstractmethod
    def plain_set(self, rows: np.ndarray) -> Dataset[Any]:
        """Return the images of some manifest rows, not augmented."""

    # Scan and split.

    @cached_property
    def scanned(self) -> Manifest:
        """All images of the source; subjects that share identical files are one person."""
        with self._in_words():
            return scan_persons(self.config, self.progress)

    @cached_property
    def manifest(self) -> Manifest:
        """The images, and what is known of them."""
        return self.scanned

    @cached_property
    def parts(self) -> pd.Series:
        """The part of each manifest row: "train", "validation", "test" or "unused"."""
        with self._in_words():
            return split(self.manifest, self.config.protocol, self.config.split, self.config.data.paper_split)

    @cached_property
    def leaks(self) -> LeakReport:
        """The images that are in two parts."""
        return check_leaks(self.manifest, self.parts, self.config.protocol, self.config.split, _show_same_cell)

    @cached_property
    def seen(self) -> int:
        """How many validation and test images a run of ``starts`` was trained on or selected by; 0 for exports."""
        counts = [0]
        for key in self.starts:
            named = getattr(self.config, key)
            if named and Run.is_run(Path(named)):
                counts.append(seen_by_start(Path(named), self.manifest, self.parts, self.config.protocol, key))
        return max(counts)

    @cached_property
    def plan(self) -> BalancePlan:
        """The images of an epoch: each of the train part once."""
        train = self.rows("train")
        return BalancePlan(train, np.zeros(len(train), np.int64))

    def setup(self, stage: str | None = None) -> None:
        """Split the images and check them for leaks; nothing is written into a run.

        ``stage`` is what a trainer does next, "fit", "validate", "test" or "predict"; None stands for all. For a fit
        the epoch is planned, too.
        """
        _ = self.leaks, self.seen  # computed at their first use, which may stop the run
        if stage in (None, "fit"):
            check_shares(len(self.plan.rows), "train", self.world)
        if stage in (None, "fit", "validate"):
            check_shares(len(self.rows("validation")), "validation", self.world)

    def rows(self, part: str) -> np.ndarray:
        """Return the manifest rows of a part ("train", "validation", "test", "unused"), int64, ascending."""
        return np.flatnonzero(self.parts.to_numpy() == part)

    @cached_property
    def predicted(self) -> np.ndarray:
        """The manifest rows of the validation and, after them, of the test part, int64."""
        return np.concatenate([self.rows("validation"), self.rows("test")])

    # Loaders. `on_after_batch_transfer` finishes a batch: on the device of a running trainer, else in the loader.

    def train_dataloader(self) -> DataLoader[Any]:
        """Batches of an epoch: this process's share of each."""
        return self.loader(self.training_set(), self.trainer, batch_sampler=self.train_sampler(self._position))

    def val_dataloader(self) -> DataLoader[Any]:
        """This process's share of the validation part, in the manifest's order, not augmented."""
        return self.in_order(self.rows("validation"))

    def test_dataloader(self) -> DataLoader[Any]:
        """This process's share of the test part, likewise."""
        return self.in_order(self.rows("test"))

    def predict_dataloader(self) -> DataLoader[Any]:
        """This process's share of ``predicted``, not augmented: what predictions are written for."""
        return self.in_order(self.predicted)

    def train_sampler(self, position: Callable[[], tuple[int, int]]) -> EpochBatchSampler:
        """Return the order of the training images; ``position`` as of `EpochBatchSampler`."""
        plan = self.plan
        size = self.config.loader.batch_size
        weights = plan.sample_weights
        return EpochBatchSampler(len(plan.rows), size, self.config.seed, position, weights, self._present_world)

    def in_order(self, rows: np.ndarray) -> DataLoader[Any]:
        """Return this process's share of the images of some manifest rows, not augmented."""
        rows = share_of(rows, self._present_world)
        return self.loader(self.plain_set(rows), self.trainer, batch_size=self.config.loader.batch_size)

    def loader(self, dataset: Dataset[Any], trainer: Trainer | None = None, **batches: Any) -> DataLoader[Any]:
        """Return the batches of a data set, loaded as ``loader`` says; ``batches`` are arguments of DataLoader."""
        workers = self.config.loader.workers
        if workers == "cores":
            workers = processors() - 1
        return DataLoader(
            dataset,
            # A running trainer calls `on_after_batch_transfer` itself.
            collate_fn=whole_batch if is_running(trainer) else partial(self.on_after_batch_transfer, dataloader_idx=0),
            num_workers=workers,
            pin_memory=torch.cuda.is_available(),
            worker_init_fn=set_up_worker,
            **batches,
        )

    @property
    def _present_world(self) -> World:
        """The processes of the trainer, where it has several, which must not divide the images once more."""
        trainer = self.trainer
        if trainer is not None and trainer.world_size > 1:
            if trainer._accelerator_connector.use_distributed_sampler:
                raise UserError("on several devices a Trainer of these images needs use_distributed_sampler=False")
            return World(trainer.world_size, trainer.global_rank)
        return self.world

    def _position(self) -> tuple[int, int]:
        return position_in_epoch(self.trainer if is_running(self.trainer) else None)

    # What the user reads, and what is written into the run.

    @property
    def surplus(self) -> pd.Series:
        """The images that are left out as copies of a file, as `surplus_copies` says; ``paper`` leaves out none."""
        copies = surplus_copies(self.manifest)
        return copies[:0] if self.config.protocol == "paper" else copies

    @property
    def remarks(self) -> list[str]:
        """Remarks on the images before they are prepared, a line each."""
        manifest = self.manifest
        lines = [*manifest.notes, *map(str, manifest.persons)]
        if manifest.skipped:
            lines.append(f"skipped: {', '.join(manifest.skipped)}")
        if count := len(self.surplus):
            lines.append(f"left out as copies of identical files, of which one stays: {counted(count, 'image')}")
        return lines

    def describe(self) -> list[str]:
        """Return what the user should know of the data before the training starts, a line each."""
        manifest = self.manifest
        synthetic = " (SYNTHETIC: no patients)" if manifest.synthetic else ""
        lines = [f"data: {manifest.source}{synthetic}, protocol={self.config.protocol}", *self.remarks]
        counts = pd.crosstab(self.parts, manifest.frame["label"].fillna("")).reindex(columns=manifest.classes)
        for part, size in self.parts.value_counts().reindex([*PARTS, UNUSED]).dropna().astype(int).items():
            lines.append(f"{part}: {size} images ({class_sizes(counts.loc[part].fillna(0).astype(int).to_dict())})")
        return lines

    def content_hash(self) -> str:
        """Return a SHA-256 over the images, their labels, and the version of the code that prepares them."""
        return sha256_of_value([content_hash(self.manifest), PREPARE_VERSION])

    def facts(self) -> dict[str, Any]:
        """Return the facts that predictions keep of their data: source, folds and leaks between the parts."""
        return {
            "source": self.manifest.source,
            "synthetic": self.manifest.synthetic,
            "folds": number_of_folds(self.manifest, self.config.protocol, self.config.split),
            "leaks": {**self.leaks.counts(), "seen_by_start": self.seen},
            "incomplete": "; ".join(self.manifest.incomplete) or None,
        }

    def warnings(self) -> list[str]:
        """Return warnings of parts that are not used, and of leaks between parts or by ``init_from``."""
        passed_over = unused_given_parts(self.manifest, self.config.protocol, self.config.split)
        lines = [*passed_over, *self.leaks.sentences().values()]
        if self.seen:
            lines.append(f"{' or '.join(self.starts)} has seen {self.seen} of the images that evaluate this run")
        start = self.config.init_from
        if start and not Run.is_run(Path(start)):  # a portable model
            lines.append("init_from does not list its training images: test on its own fold, or on new images")
        return lines

    def write_facts(self, folder: Path) -> None:
        """Write split, facts and leaks into the folder of a run."""
        manifest = self.manifest
        run = Run(folder)
        run.write_split(manifest.frame[["image_id", "path", "label", "subject", "sha256"]].assign(part=self.parts))
        run.write_json(RunFile.LEAKS, self.leaks.as_dict())
        facts = {**self.facts(), "notes": manifest.notes, "skipped": manifest.skipped}
        facts["persons"] = [asdict(person) for person in manifest.persons]
        surplus = self.surplus
        facts["copies"] = dict(zip(manifest.frame["path"][surplus.index], surplus, strict=True))
        run.write_json(RunFile.DATA, asdict(DataFacts(manifest.classes, manifest.positive_class, **facts)))
        if len(self.leaks.pairs):
            self.leaks.write_pairs(run.path(RunFile.NEAR_DUPLICATES))


def _show_same_cell(manifest: Manifest, pairs: np.ndarray) -> np.ndarray:
    from datamodules.same_cells.search import show_same_cell  # here: most data sets have no near pairs

    return show_same_cell(manifest, pairs)


def set_up_worker(worker: int) -> None:
    """Set up a process: OpenCV's threads times the workers would exceed the cores; and the parent handles signals."""
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    ignore_in_worker()


def is_running(trainer: Trainer | None) -> bool:
    """Tell whether a trainer fits, validates, tests or predicts at present."""
    return trainer is not None and trainer.state.status == TrainerStatus.RUNNING
