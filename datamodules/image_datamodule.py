"""From the configuration to batches: source, split, leak check, balance, prepared cache, augmentation."""

from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch
from pytorch_lightning import LightningDataModule
from torch.utils.data import DataLoader, Dataset

from common.config.schema import Config, PrepareConfig
from common.errors import UserError
from common.files import atomic_path, sha256_of_value, write_json
from common.preemption import ignore_in_worker
from common.runs.distributed import World
from common.seeds import derive_seed
from datamodules.manifest.balancing import BalancePlan, plan
from datamodules.manifest.leakage import LeakReport, check_leaks, seen_by_start, write_contact_sheet
from datamodules.manifest.manifest import Manifest, content_hash
from datamodules.manifest.splits import number_of_folds, split
from datamodules.preprocessing.cache import prepared_images
from datamodules.preprocessing.pipeline import PREPARE_VERSION, to_shape
from datamodules.samplers import EpochBatchSampler, check_shares, share_of
from datamodules.sources import scan
from datamodules.transforms.augmentation import Augmentation
from datamodules.transforms.karyogram_augmentation import is_on, place_boxes
from datamodules.transforms.presplit_augmentation import ExpandedImages, Expansion, expand

Item = tuple[torch.Tensor, int, int]


class PreparedDataset(Dataset[Item]):
    """Images of the prepared cache by (epoch, item), augmented where a transform is given.

    Each item is (image uint8 (C, H, W), label int, manifest row int); H and W are those of ``prepare.shape``, which
    the augmented image is resized to, or else those of the cache.
    """

    def __init__(
        self,
        images: np.ndarray | ExpandedImages,
        rows: np.ndarray,
        labels: np.ndarray,
        copies: np.ndarray | None = None,
        augmentation: Augmentation | None = None,
        prepare: PrepareConfig | None = None,
    ) -> None:
        self.images = images
        self.rows = rows
        self.labels = labels
        if copies is None:
            self.copies = np.zeros_like(rows)
        else:
            self.copies = copies
        self.augmentation = augmentation
        self.prepare = prepare

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: tuple[int, int] | int) -> Item:
        epoch, item = key if isinstance(key, tuple) else (0, key)
        row = int(self.rows[item])
        image = np.asarray(self.images[row])
        if self.augmentation is not None:
            image = self.augmentation(image, epoch, row, int(self.copies[item]))
        if self.prepare is not None:
            image = to_shape(image, self.prepare)
        # The cache is read-only and torch wants to own its memory: one small copy, made in the worker.
        return torch.from_numpy(np.array(image.transpose(2, 0, 1), order="C")), int(self.labels[row]), row


class ImageDataModule(LightningDataModule):
    """All that happens before a batch, for one run.

    ``inspect`` reads and judges the data and writes nothing; ``prepare`` fills the cache; then the loaders serve.

    Args:
        config: The typed configuration.
        progress: Show progress bars for the long steps.
        world: The processes that share the images, and which of them this is.
    """

    def __init__(self, config: Config, progress: bool = True, world: World = World()) -> None:  # noqa: B008 (frozen)
        super().__init__()
        self.config = config
        self.progress = progress and world.is_first
        self.world = world
        self.expansion: Expansion | None = None
        self.manifest: Manifest
        self.parts: pd.Series
        self.leaks: LeakReport
        self.plan: BalancePlan
        self.images: np.ndarray | ExpandedImages
        self.places: dict[int, np.ndarray] | None = None
        self.seen = 0

    def inspect(self) -> None:
        """Scan the source, split it, look for leaks and plan the balance; nothing is written into a run.

        Raises:
            UserError: The data cannot be used as configured: see the sources, splits and leaks.
        """
        config = self.config
        scanned = scan(config.data, config.data_dir, Path(config.cache_dir), self.progress)
        self.expansion = expand(scanned, config.data, config.protocol, config.split, config.transform)
        if self.expansion:
            self.manifest = self.expansion.manifest
        else:
            self.manifest = scanned
        self._check_logits()
        if is_on(config.transform.within_places):
            self.places = place_boxes(self.manifest, config.prepare.stored_shape)
        self.parts = split(self.manifest, config.protocol, config.split, config.data.paper_split)
        self.leaks = check_leaks(self.manifest, self.parts, config.protocol, config.split)
        if config.init_from:
            self.seen = seen_by_start(Path(config.init_from), self.manifest, self.parts, config.protocol)
        train = self.rows("train")
        seed = derive_seed("balance", config.seed, config.split.seed, config.split.fold)
        # What was evened out before the split is not evened out again.
        if self.expansion and config.balance.name == "hem_all":
            name = "none"
        else:
            name = config.balance.name
        self.plan = plan(self.labels[train], train, len(self.manifest.classes), name, seed)
        check_shares(len(self.plan.rows), "train", self.world)
        check_shares(len(self.rows("validation")), "validation", self.world)

    def prepare(self) -> None:
        """Fill the cache of prepared images, or find it filled."""
        if self.expansion:
            scanned = self.expansion.scanned
        else:
            scanned = self.manifest
        images = prepared_images(scanned, self.config.prepare, Path(self.config.cache_dir), self.progress)
        if self.expansion:
            self.images = self.expansion.serve(images)
        else:
            self.images = images

    @cached_property
    def labels(self) -> np.ndarray:
        """The class index of every manifest row, int64, shape (images,); -1 where the label is unknown."""
        return self.manifest.class_indices.to_numpy(np.int64)

    def rows(self, part: str) -> np.ndarray:
        """Return the manifest rows of a part ("train", "validation", "test", "unused"), int64, ascending."""
        return np.flatnonzero(self.parts.to_numpy() == part)

    def train_dataloader(self) -> DataLoader:
        """Batches of the balanced, augmented train part: this process's share of each."""
        config = self.config
        dataset = self._dataset(self.plan.rows, self.plan.copy, self._augmentation())
        sampler = EpochBatchSampler(
            len(dataset),
            config.loader.batch_size,
            config.seed,
            self._position,
            self.plan.sample_weights,
            self.world.rank,
            self.world.size,
        )
        return self._loader(dataset, sampler)

    def val_dataloader(self) -> DataLoader:
        """This process's share of the validation part, in the manifest's order, not augmented."""
        return self._loader(self._dataset(share_of(self.rows("validation"), self.world)))

    def predict_dataloader(self) -> DataLoader:
        """This process's share of the validation and the test part: what predictions are written for."""
        rows = np.concatenate([self.rows("validation"), self.rows("test")])
        return self._loader(self._dataset(share_of(rows, self.world)))

    def on_after_batch_transfer(self, batch: list[torch.Tensor], dataloader_idx: int) -> dict[str, torch.Tensor]:
        """Name the parts of a batch and scale the images to [0, 1]; uint8 until here, a quarter of the transfer.

        Returns:
            {"image": float32 (B, C, H, W), "label": int64 (B,), "index": int64 (B,) manifest row}
        """
        image, label, index = batch
        return {"image": image.float() / 255, "label": label, "index": index}

    def describe(self) -> list[str]:
        """Return what the user should know of the data before the training starts, a line each."""
        manifest = self.manifest
        counts = []
        for part in ("train", "validation", "test", "unused"):
            labels = manifest.frame["label"].iloc[self.rows(part)]
            if len(labels) or part != "unused":
                each = ", ".join(f"{int((labels == name).sum())} {name}" for name in manifest.classes)
                counts.append(f"{part}: {len(labels)} images ({each})")
        copies = int((self.plan.copy > 0).sum())
        counts.append(f"balance={self.config.balance.name}: {len(self.plan.rows)} per epoch, {copies} of them copies")
        source = manifest.source + (" (SYNTHETIC: drawn, no patients)" if manifest.synthetic else "")
        return [f"data: {source}, protocol={self.config.protocol}", *manifest.notes, *counts]

    def content_hash(self) -> str:
        """Return a SHA-256 over the images, their labels, and the version of the code that prepares them."""
        return sha256_of_value([content_hash(self.manifest), PREPARE_VERSION])

    def facts(self) -> dict[str, Any]:
        """Return what the predictions say of their data: source, folds and what leaks between the parts."""
        folds = number_of_folds(self.manifest, self.config.protocol, self.config.split)
        found = {"source": self.manifest.source, "synthetic": self.manifest.synthetic, "folds": folds}
        return {**found, "leaks": {**self.leaks.counts(), "seen_by_start": self.seen}}

    def warnings(self) -> list[str]:
        """Return what leaks: before the split, between the parts, through ``init_from``; empty where nothing does."""
        if self.seen:
            seen = [f"init_from has seen {self.seen} of the images that judge this run"]
        else:
            seen = []
        if self.expansion:
            expanded = [self.expansion.warning]
        else:
            expanded = []
        return [*expanded, *self.leaks.lines(), *seen]

    def write_facts(self, folder: Path) -> None:
        """Write what the run was made of: split.csv, data.json, leaks.json, and the sheet of pairs across parts."""
        frame = self.manifest.frame[["image_id", "path", "label", "subject", "sha256"]].assign(part=self.parts)
        with atomic_path(folder / "split.csv") as temporary:
            frame.to_csv(temporary, index=False)
        write_json(folder / "leaks.json", self.leaks.as_dict())
        classes = {"classes": list(self.manifest.classes), "positive_class": self.manifest.positive_class}
        write_json(folder / "data.json", {**self.facts(), **classes, "notes": list(self.manifest.notes)})
        if write_contact_sheet(self.leaks, self.manifest, folder / "near_duplicates.png"):
            self.leaks.write_pairs(folder / "near_duplicates.csv")

    def _dataset(
        self, rows: np.ndarray, copies: np.ndarray | None = None, augmentation: Augmentation | None = None
    ) -> PreparedDataset:
        return PreparedDataset(self.images, rows, self.labels, copies, augmentation, self.config.prepare)

    def _augmentation(self) -> Augmentation:
        """What is drawn anew in each epoch; what was done before the split is not done again."""
        if self.expansion:
            transform = self.expansion.transform
        else:
            transform = self.config.transform
        return Augmentation(transform, self.config.seed, self.places)

    def _loader(self, dataset: PreparedDataset, batches: EpochBatchSampler | None = None) -> DataLoader:
        """A loader over given batches, or over the whole data set in its order."""
        loader = self.config.loader
        how: dict = {"batch_sampler": batches} if batches else {"batch_size": loader.batch_size}
        return DataLoader(
            dataset,
            num_workers=loader.workers,
            pin_memory=loader.pin_memory,
            worker_init_fn=_set_up_worker,
            persistent_workers=False,
            **how,
        )

    def _position(self) -> tuple[int, int]:
        """The epoch that begins and the first batch of it: not 0 right after a resume in mid-epoch."""
        if self.trainer is None:
            return 0, 0
        loop = self.trainer.fit_loop
        progress = loop.epoch_loop.batch_progress
        if progress.is_last_batch:
            first = 0
        else:
            first = progress.current.processed
        return loop.epoch_progress.current.processed, first

    def _check_logits(self) -> None:
        """One output decides between two classes; more classes need one each."""
        logits = self.config.head.logits
        classes = self.manifest.classes
        if len(classes) == 2:
            allowed = (None, 1, 2)
        else:
            allowed = (None, len(classes))
        if logits not in allowed:
            raise UserError(f"head.logits={logits} does not fit {len(classes)} classes: set head.logits={len(classes)}")


def _set_up_worker(worker: int) -> None:
    """OpenCV's own threads times the workers would be more than the cores; and signals are the parent's business."""
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    ignore_in_worker()
