"""The drawn data set of the rehearsal has the published numbers and the challenge's folders."""

import json
from collections import Counter

import cv2
import numpy as np
import pandas as pd
import pytest

from benchmarks.rehearsal.__main__ import costs, draw
from benchmarks.rehearsal.cells import drawn_cells, write_picture
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


def test_a_full_disk_is_an_error(tmp_path):
    (tmp_path / "cell.bmp").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        write_picture(tmp_path / "cell.bmp", np.zeros((9, 9, 3), np.uint8))


def reproduction_of(folder, cells, cpu_seconds):
    (folder / "drawn").mkdir(parents=True)
    for number in range(cells):
        (folder / "drawn" / f"{number}.bmp").touch()
    disk = {"output_dir": 2**30, "cache_dir": 2**29, "output": 0}
    step = {"seconds": 60.0, "cpu_seconds": cpu_seconds, "memory_gib": 1.0, "code": 0, "disk": disk}
    content = {"settings": {"words": [f"data_dir={folder / 'drawn'}"]}, "steps": {"images": step, "train-paper": step}}
    (folder / "steps.json").write_text(json.dumps(content))
    return folder


def test_costs_of_two_reproductions_show_what_grows_faster_than_the_images(tmp_path):
    whole = reproduction_of(tmp_path / "whole", 8, 160.0)
    half = reproduction_of(tmp_path / "half", 4, 40.0)
    costs(whole, tmp_path / "costs.csv", half)
    row = pd.read_csv(tmp_path / "costs.csv").iloc[0]
    assert (row["cpu_ratio"], row["images_ratio"], row["exponent"]) == (4, 2, 2)
    assert (row["output_dir_gib"], row["cache_dir_gib"]) == (1, 0.5)


def test_costs_of_a_training_are_those_of_its_runs_which_an_interruption_does_not_lose(tmp_path):
    folder = reproduction_of(tmp_path, 2, 60.0)
    (folder / "paper").mkdir()
    runs = {"wall_seconds": [60, 120], "cpu_hours": [0.1, 0.2], "peak_memory_gib": [1.5, 1.2]}
    pd.DataFrame(runs).to_csv(folder / "paper" / "costs.csv")
    costs(folder, tmp_path / "costs.csv")
    row = pd.read_csv(tmp_path / "costs.csv").set_index("step").loc["train-paper"]
    assert (row["minutes"], row["cpu_minutes"], row["memory_gib"]) == (3, 18, 1.5)
