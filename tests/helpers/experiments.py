"""What an experiment is tried on: a tiny set on disk in the layout that it asks for."""

import zlib
from pathlib import Path

import numpy as np

from cytogenetics.config.sources import DerivedConfig
from datamodules.sources.cifar10 import CLASSES
from tests.helpers.chromosomes import write_chromosomes
from tests.helpers.digits import write_mnist
from tests.helpers.images import write_cnmc, write_image
from tests.helpers.training import DRAWN


def tiny_data(source: str, home: Path) -> list[str]:
    """Return the overrides that give an experiment tiny data of its own source; what is on disk is made once."""
    if source in ("cnmc", "synthetic"):  # the layout of C-NMC has tests of its own
        return DRAWN
    root = home / source
    if not root.is_dir():
        _WRITERS[source](root)
    return [f"data_dir={root}", *_FEWER.get(source, [])]


def _cifar10(root: Path) -> None:
    rng = np.random.default_rng(0)
    for part, count in (("train", 10), ("test", 2)):
        for name in CLASSES:
            for number in range(count):
                write_image(root / part / name / f"{number}.png", rng.integers(0, 255, (32, 32, 3), dtype=np.uint8))


def _chromosome_sets(root: Path) -> None:
    for folder in ("chromosomes_612cells", "chromosomes_119cells", "single_from_metaphases"):
        write_chromosomes(root / folder, cases=5, seed=zlib.crc32(folder.encode()))


_WRITERS = {
    "chromosome_sets": _chromosome_sets,
    "chromosomes": lambda root: write_chromosomes(root, cases=5),
    "composed_karyograms": lambda root: write_chromosomes(root, cases=10),
    "mnist": lambda root: write_mnist(root, train=100),
    "cifar10": _cifar10,
    "hem_all": lambda root: write_cnmc(root, subjects_per_fold=6),
}
# Ten normal cells bear fewer abnormal ones than the experiments ask for.
_FEWER = {
    "composed_karyograms": [f"data.derived.{kind}={10 if kind == 'gain' else 0}" for kind in DerivedConfig.model_fields]
}
