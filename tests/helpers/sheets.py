"""Toy karyograms: dark bars on a light ground, each in a box of its own, with a label below; and folders of them."""

from pathlib import Path

import numpy as np
from omegaconf import DictConfig, OmegaConf

from datamodules.manifest.manifest import Manifest
from karyocyte.config.schema import Config
from tests.helpers.images import write_image
from tests.helpers.manifests import make_manifest
from tests.helpers.training import composed, small_config

COLUMNS, ROWS = 6, 3
STEP = (30, 52)  # from one place to the next


def toy_sheet(seed: int = 0, ground: int = 250) -> np.ndarray:
    """Return a sheet, uint8 (166, 192, 3).

    A bar is 6 px wide and up to 26 px long, darker at its upper end, with an arm to one side: mirrored it is another.
    """
    rng = np.random.default_rng(seed)
    sheet = np.full((10 + ROWS * STEP[1], 12 + COLUMNS * STEP[0], 3), ground, np.uint8)
    for row in range(ROWS):
        for column in range(COLUMNS):
            x, y = 9 + column * STEP[0], 8 + row * STEP[1]
            length = int(rng.integers(18, 26))
            sheet[y + 5 : y + 5 + length, x + 9 : x + 15] = rng.integers(60, 110)
            sheet[y + 5 : y + 9, x + 9 : x + 18] = 20
            sheet[y + 40 : y + 44, x + 8 : x + 14] = 0  # the label
    return sheet


def sheet_manifest(count: int = 2, seed: int = 0) -> tuple[Manifest, np.ndarray]:
    """Return a manifest of toy karyograms, of no files, and the sheets, uint8 (count, H, W, 3)."""
    sheets = [toy_sheet(seed + number) for number in range(count)]
    manifest = make_manifest(["normal", "abnormal"] * (count // 2) + ["normal"] * (count % 2))
    height, width = sheets[0].shape[:2]
    frame = manifest.frame.assign(width=width, height=height)
    facts = {"classes": ("normal", "abnormal"), "positive_class": "abnormal", "source": "composed_karyograms"}
    return Manifest(frame, manifest.root, **facts), np.stack(sheets)


def write_karyograms(root: Path, counts: dict[str, int], images: int = 1) -> Path:
    """Write toy karyograms as ``<class>/s<subject>_<n>.png``, ``images`` of each subject."""
    for position, (name, count) in enumerate(counts.items()):
        for number in range(count):
            subject = 100 * position + number // images
            write_image(root / name / f"s{subject}_{number}.png", toy_sheet(1000 * position + number))
    return root


def karyogram_config(tmp_path: Path, root: Path, *overrides: str) -> Config:
    """Return the configuration of a short run on the karyograms in ``root``, stretched to 32 px."""
    data = ["data=karyograms", f"data_dir={root}"]
    return small_config(tmp_path, "prepare.augment_at=null", *overrides, data=data)


def composed_of(*overrides: str) -> DictConfig:
    """Return a configuration on composed karyograms, before it is checked."""
    config = composed(["transform=karyograms", "prepare.fit=stretch", "prepare.crop=false", *overrides])
    data = {"source": "composed_karyograms", "chromosomes": {"source": "synthetic_chromosomes"}}
    return OmegaConf.merge({key: value for key, value in config.items() if key != "data"}, {"data": data})
