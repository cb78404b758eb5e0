"""Pairs of homologues of a set of chromosomes: normal ones in training, and derived rearrangements to be found."""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import LightningDataModule
from torch.utils.data import DataLoader, Dataset

from common.compat import position_in_epoch
from common.config.schema import Config, PairsConfig
from common.errors import UserError
from common.files import sha256_of_value
from common.karyotype import CHROMOSOMES
from common.runs.distributed import World
from common.runs.run import DataFacts, Run
from datamodules.homologues.changes import EXCHANGED_END, KINDS, NULLS, PARTNER, is_rearranged
from datamodules.homologues.draws import PairDraws, PairKeys, Pairs
from datamodules.homologues.pairs import PairBatch, PairMaker
from datamodules.homologues.strips import Strips
from datamodules.image_datamodule import ImageDataModule
from datamodules.manifest.manifest import Manifest
from datamodules.samplers import EpochBatchSampler
from datamodules.synthesis.ideogram import IDEOGRAM
from datamodules.transforms.batched_augmentation import BatchedAugmentation

PAIRS_VERSION = 5  # of the code that derives rearrangements, and how often each kind is drawn
CLASSES = ("normal", "abnormal")
DRAWN = -1  # the variant of a training pair
SAMPLE = 256  # pairs of which the network's first statistics are measured


class PairDataset(Dataset[tuple[int, ...]]):
    """The keys of pairs by (epoch, item), see `PairKeys`.

    Args:
        items: Numbers of the items, int64.
        frame: Of all items, with the columns ``pair`` and ``variant``.
    """

    def __init__(self, items: np.ndarray, frame: pd.DataFrame) -> None:
        self.items = items
        self.facts = frame[["pair", "variant"]].to_numpy(np.int64)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, key: tuple[int, int] | int) -> tuple[int, ...]:
        epoch, number = key if isinstance(key, tuple) else (0, key)
        item = int(self.items[number])
        return (epoch, item, *self.facts[item].tolist())


class PairDataModule(LightningDataModule):
    """Pairs of homologues, split as the cells that they are of.

    A training pair is rearranged, or left normal, anew in each epoch. Each validation and test pair is there in every
    way of KINDS; these are functions of the seed of the split alone, so all runs share them. All
    cells of a case have the same rearrangement of a chromosome.

    Args:
        chromosomes: The single chromosomes, upright on a canvas.
        config: Shares and sizes.
    """

    def __init__(self, chromosomes: ImageDataModule, config: PairsConfig) -> None:
        super().__init__()
        self.chromosomes = chromosomes
        self.config = config

    @classmethod
    def from_config(cls, config: Config, progress: bool, world: World) -> "PairDataModule":
        """Return the data module of a composed configuration."""
        return cls(ImageDataModule.from_config(config, progress, world), config.pairs)

    def prepare_data(self) -> None:
        """Fill the cache of prepared chromosomes."""
        self.chromosomes.prepare_data()

    def setup(self, stage: str | None = None) -> None:
        """Split the chromosomes and find the pairs.

        Raises:
            UserError: The classes are not those of chromosomes, a cell is not known, or there are no pairs.
        """
        self.chromosomes.setup(stage)
        strange = sorted(set(self.chromosomes.manifest.classes) - set(CHROMOSOMES))
        if strange:
            raise UserError(f"pairs.enabled=true needs the classes 1 to 22, X and Y, which {strange[0]} is not")
        if not len(self.rows("train")) or not len(self.rows("test")):
            raise UserError(
                "pairs.enabled=true, but no cell of the train or of the test part has a pair of chromosomes"
            )

    @cached_property
    def pairs(self) -> Pairs:
        """All pairs."""
        frame = self.chromosomes.manifest.frame
        cases = pd.factorize(frame["subject"].fillna("cell " + frame["cell"].astype(str)))[0]
        return Pairs.of(frame["label"].to_numpy(object), self.chromosomes.cells, cases)

    @cached_property
    def items(self) -> pd.DataFrame:
        """What is predicted or trained on: ``pair``, ``variant`` (of KINDS, or DRAWN) and ``part``."""
        part = self.chromosomes.parts.to_numpy()[self.pairs.first]
        training = np.flatnonzero(part == "train")
        frames = [pd.DataFrame({"pair": training, "variant": DRAWN, "part": "train"})]
        for name in ("validation", "test"):
            of_part = np.flatnonzero(part == name)
            for variant in range(len(KINDS)):
                frames.append(pd.DataFrame({"pair": of_part, "variant": variant, "part": name}))
        return pd.concat(frames, ignore_index=True)

    @cached_property
    def manifest(self) -> Manifest:
        """A row per item: ``kind`` is what was done to the pair, ``group`` the chromosome that the item shows.

        A translocation's partner is named after the translocation.
        """
        whole = self.chromosomes.manifest
        items = self.items
        frame = whole.frame.iloc[self.pairs.first[items["pair"]]].reset_index(drop=True)
        shown = np.where(items["variant"] == PARTNER, self._partners(items), items["pair"])
        groups = np.array(CHROMOSOMES, object)[self.pairs.chromosome[shown]]
        kinds = np.array([*KINDS, "drawn"], object)[items["variant"]]
        names = frame["cell"] + " " + frame["label"] + " " + kinds
        subjects = frame["subject"].fillna("").astype(str)
        names = np.where((subjects != "") & (subjects != frame["cell"]), subjects + " " + names, names)
        rearranged = is_rearranged(torch.tensor(items["variant"].to_numpy(np.int64))).numpy()
        labels = np.where(rearranged, *CLASSES[::-1])
        frame = frame.assign(image_id=names, kind=kinds, group=groups, label=labels)
        return Manifest(frame, whole.root, CLASSES, CLASSES[1], whole.source, whole.notes, whole.synthetic)

    @property
    def parts(self) -> pd.Series:
        """The part of each item."""
        return self.items["part"]

    def rows(self, part: str) -> np.ndarray:
        """Return the items of a part, int64."""
        return np.flatnonzero(self.parts.to_numpy() == part)

    @cached_property
    def maker(self) -> PairMaker:
        """Makes the pairs of a batch."""
        data = self.chromosomes
        manifest = data.manifest
        rows = np.arange(len(manifest.frame))
        short_arms = np.array([IDEOGRAM[label].short_arm for label in manifest.frame["label"]])
        threshold = data.prepare_config.crop_threshold
        strips = Strips.load(lambda row: np.asarray(data.images[row]), rows, short_arms, self.config.width, threshold)
        augmentation = BatchedAugmentation(data.transform_config, data.seed)
        return PairMaker(strips, self.pairs, self.config, augmentation, data.split_config.seed)

    def train_dataloader(self) -> DataLoader[tuple[int, ...]]:
        """Batches of training pairs, each once in an epoch: this process's share."""
        items = self.rows("train")
        size = self.chromosomes.loader_config.batch_size
        sampler = EpochBatchSampler(len(items), size, self.chromosomes.seed, self._position, None, self._world())
        dataset = PairDataset(items, self.items)
        return DataLoader(dataset, batch_sampler=sampler, collate_fn=PairKeys.collate)

    def val_dataloader(self) -> DataLoader[tuple[int, ...]]:
        """Every validation pair in one normal and one rearranged way, in turn: all ways would double the time.

        Both ways of a pair follow each other, so that some batches alone (``trainer.limit_val_batches``) have both.
        """
        items = self.rows("validation")
        pair, variant = (self.items[name].to_numpy()[items] for name in ("pair", "variant"))
        rearranged = NULLS + pair % (EXCHANGED_END - NULLS)
        chosen = (variant == pair % NULLS) | (variant == rearranged)
        return self._in_order(items[chosen][np.argsort(pair[chosen], kind="stable")])

    def test_dataloader(self) -> DataLoader[tuple[int, ...]]:
        """The test items in their order."""
        return self._in_order(self.rows("test"))

    def predict_dataloader(self) -> DataLoader[tuple[int, ...]]:
        """The validation and, after them, the test items."""
        return self._in_order(np.concatenate([self.rows("validation"), self.rows("test")]))

    def on_after_batch_transfer(self, batch: PairKeys, dataloader_idx: int) -> dict[str, torch.Tensor]:
        """Make the pairs of a batch on its device: the fields of `PairBatch`, ``label`` and ``index``."""
        made = self.maker.to(batch.pair.device)(batch)
        return {**made._asdict(), "label": is_rearranged(made.kind).long(), "index": batch.item}

    def training_sample(self) -> torch.Tensor:
        """Return some training pairs, float32 in [0, 1], shape (N, 2, H, W)."""
        items = self.rows("train")[:: max(len(self.rows("train")) // SAMPLE, 1)]
        dataset = PairDataset(items, self.items)
        keys = PairKeys.collate([dataset[number] for number in range(len(items))])
        return self.maker(keys).image

    def pictures(self, items: np.ndarray) -> PairBatch:
        """Return validation or test items as the network sees them, on the CPU."""
        dataset = PairDataset(items, self.items)
        keys = PairKeys.collate([dataset[number] for number in range(len(items))])
        return self.maker.to(torch.device("cpu"))(keys)

    def describe(self) -> list[str]:
        """Return what the user should know of the data before the training starts, a line each."""
        lines = self.chromosomes.describe()[:-1]
        for part in ("train", "validation", "test"):
            pairs = self.items["pair"].iloc[self.rows(part)].nunique()
            lines.append(f"{part}: {pairs:,} pairs of homologues")
        return lines

    def content_hash(self) -> str:
        """Return a SHA-256 over the chromosomes and the version of the code that derives rearrangements."""
        return sha256_of_value([self.chromosomes.content_hash(), PAIRS_VERSION])

    def facts(self) -> dict[str, Any]:
        """Return what the predictions say of their data."""
        return self.chromosomes.facts()

    def warnings(self) -> list[str]:
        """Return what leaks between the parts."""
        return self.chromosomes.warnings()

    def write_facts(self, folder: Path) -> None:
        """Write split and leaks of the chromosomes, and the facts of the pairs, into the folder of a run."""
        self.chromosomes.write_facts(folder)
        manifest = self.manifest
        facts = {**self.facts(), "notes": manifest.notes, "skipped": self.chromosomes.manifest.skipped}
        Run(folder).write_data(DataFacts(manifest.classes, manifest.positive_class, **facts))

    def _partners(self, items: pd.DataFrame) -> np.ndarray:
        """Return the pair with which a translocation of each item exchanges ends, int64."""
        draws = PairDraws(self.pairs, self.config, self.chromosomes.split_config.seed)
        keys = [torch.tensor(items[name].to_numpy(np.int64)) for name in ("pair", "variant")]
        zero = torch.zeros_like(keys[0])
        return draws(PairKeys(zero, zero, *keys)).partner.numpy()

    def _in_order(self, items: np.ndarray) -> DataLoader[tuple[int, ...]]:
        size = self.chromosomes.loader_config.batch_size
        return DataLoader(PairDataset(items, self.items), batch_size=size, collate_fn=PairKeys.collate)

    def _world(self) -> World:
        if self.trainer is not None and self.trainer.world_size > 1:
            return World(self.trainer.world_size, self.trainer.global_rank)
        return self.chromosomes.world

    def _position(self) -> tuple[int, int]:
        return position_in_epoch(self.trainer)
