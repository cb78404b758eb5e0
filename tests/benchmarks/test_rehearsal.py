"""The drawn data set of the rehearsal has the published numbers and the challenge's folders."""

from collections import Counter

import cv2

from benchmarks.rehearsal import draw, drawn_cells
from common.config.compose import compose_config
from datamodules.sources import scan
from datamodules.sources.cnmc import PUBLISHED


def test_each_fold_has_the_published_numbers_and_its_own_subjects():
    counts = Counter()
    folds = {}
    paths = set()
    numbers = set()
    for cell in drawn_cells(1.0):
        _, fold, label, name = cell.path.parts
        counts[fold, label] += 1
        subject = name.split("_")[1]
        assert folds.setdefault(subject, fold) == fold
        assert subject.startswith("H") == (label == "hem")
        paths.add(cell.path)
        numbers.add(cell.number)
    for fold, (blasts, normal) in PUBLISHED.items():
        if fold.startswith("fold_"):
            assert (counts[fold, "all"], counts[fold, "hem"]) == (blasts, normal)
    assert counts.total() == len(paths) == len(numbers) == 10_661
    assert len(folds) == 73


def test_the_drawn_folders_are_read_as_the_challenge(tmp_path):
    draw(tmp_path / "drawn", share=0.002)
    config = compose_config(["data=cnmc", f"data_dir={tmp_path / 'drawn'}", f"cache_dir={tmp_path / 'cache'}"])
    manifest = scan(config.data, config.data_dir, tmp_path / "cache")
    assert len(manifest.frame) == len(list(drawn_cells(0.002))) == 21
    assert manifest.synthetic
    assert set(manifest.frame["part"]) == {"fold_0", "fold_1", "fold_2"}
    picture = next((tmp_path / "drawn").rglob("*.bmp"))
    assert cv2.imread(str(picture)).shape == (450, 450, 3)
