"""Writes tiny image sets to disk, in the layouts of the sources."""

from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from datamodules.manifest.manifest import Manifest
from karyocyte.config.sources import CnmcConfig, FolderConfig
from tests.helpers.sources import scan


def cell_image(seed: int, size: int = 40, border: int = 6) -> np.ndarray:
    """Return a blob of smooth noise on black, different for every seed: uint8 RGB, shape (size, size, 3)."""
    rng = np.random.default_rng(seed)
    inner = size - 2 * border
    knots = rng.integers(60, 255, (8, 8, 3), dtype=np.uint8)
    image = np.zeros((size, size, 3), np.uint8)
    image[border:-border, border:-border] = cv2.resize(knots, (inner, inner), interpolation=cv2.INTER_NEAREST)
    return image


def write_image(path: Path, pixels: np.ndarray) -> Path:
    """Write uint8 pixels (H, W, 3) or (H, W) with Pillow, in the format of the suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def decoded(picture: bytes) -> np.ndarray:
    """Return an encoded picture as uint8 RGB, shape (H, W, 3)."""
    return np.asarray(Image.open(BytesIO(picture)).convert("RGB"))


def break_image(path: Path) -> None:
    """Cut the last third off a file."""
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])


def write_class_folders(root: Path, counts: dict[str, int], suffix: str = ".png", size: int = 40) -> Path:
    """Write ``<class>/s<subject>_<n>.png``: two images per subject, and no subject in two classes."""
    for position, (name, count) in enumerate(counts.items()):
        for number in range(count):
            subject = 100 * position + number // 2
            path = root / name / f"s{subject}_{number}{suffix}"
            write_image(path, cell_image(1000 * position + number, size))
    return root


def write_cnmc(root: Path, subjects_per_fold: int = 4, images: int = 2, nested: bool = False) -> Path:
    """Write three folds in the challenge's layout, of so many subjects of each class; every other HEM has a small h."""
    seed = 0
    for fold in range(3):
        for number in range(subjects_per_fold):
            subject = fold * subjects_per_fold + number + 1
            for label, name in (("all", f"{subject}"), ("hem", f"{'h' if subject % 2 else 'H'}{subject}")):
                for image in range(1, images + 1):
                    seed += 1
                    folder = root / "C-NMC_training_data" / f"fold_{fold}"
                    folder = folder / f"fold_{fold}" / label if nested else folder / label
                    write_image(folder / f"UID_{name}_{image}_1_{label}.bmp", cell_image(seed))
    return root


def write_prelim(root: Path, rows: list[tuple[str, str, int]], present: int) -> Path:
    """Write the preliminary test: a CSV of (Patient_ID, new_names, labels) and the first ``present`` of its images."""
    lines = ["Patient_ID,new_names,labels", *(f"{name},{new},{label}" for name, new, label in rows)]
    (root / "C-NMC_test_prelim_phase_data_labels.csv").write_bytes("\r\n".join(lines).encode())
    for number, (_, new, _) in enumerate(rows[:present]):
        write_image(root / "C-NMC_test_prelim_phase_data" / new, cell_image(5000 + number))
    return root


def write_table(root: Path, rows: list[dict[str, str]], name: str = "labels.csv") -> Path:
    """Write a CSV with the keys of the first row as header, and the image of every row whose path is not there yet."""
    lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
    root.mkdir(parents=True, exist_ok=True)
    (root / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    for number, row in enumerate(rows):
        if row["path"] and not (root / row["path"]).exists():
            write_image(root / row["path"], cell_image(7000 + number))
    return root


def scan_folder(root: Path, cache: Path, **keys: object) -> Manifest:
    """Scan class folders with the last class (in natural order) as the positive one, unless ``keys`` say otherwise."""
    names = sorted(folder.name for folder in root.iterdir() if folder.is_dir())
    keys = {"positive_class": names[-1] if len(names) == 2 else None, **keys}
    return scan(FolderConfig(source="folder", **keys), str(root), cache)


def scan_cnmc(root: Path, cache: Path, **keys: object) -> Manifest:
    """Scan the challenge's layout with ALL as the positive class, unless ``keys`` say otherwise."""
    return scan(CnmcConfig(source="cnmc", **{"positive_class": "all", **keys}), str(root), cache)
