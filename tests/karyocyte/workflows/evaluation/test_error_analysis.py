"""Plots of errors for two classes and for many, and the sheet of images that all models miss."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from karyocyte.evaluation.comparison.common_errors import align_groups, missed_counts
from karyocyte.evaluation.intervals.grouping import group_runs
from karyocyte.evaluation.pages.thumbnails import encode
from karyocyte.workflows.evaluation.error_analysis import LIMIT, missed_bars, missed_sheet, most_missed
from tests.helpers.predictions import ABOUT, make_run, with_scores
from tests.karyocyte.evaluation.comparison.test_common_errors import groups_of


def many_classes():
    runs = [make_run(0, 40, classes=tuple("12345"), seed=seed, about={"name": f"net_{seed}"}) for seed in range(2)]
    return align_groups(group_runs(runs, ["a", "b"]))


@pytest.mark.parametrize("models", [align_groups(groups_of()), many_classes()], ids=["two", "many"])
def test_bars_are_as_high_as_the_images_that_they_count(tmp_path, models, saved_figures):
    missed_bars(tmp_path / "missed.png", models)
    counts = missed_counts(models)
    *parts, chance = saved_figures[0].axes[0].containers
    for number, count in enumerate(counts["images"]):
        bars = [part[number] for part in parts]
        assert sum(bar.get_height() for bar in bars) == max(bar.get_y() + bar.get_height() for bar in bars) == count
    assert [bar.get_height() for bar in chance] == counts["independent"].tolist()
    colours = {each[0].get_facecolor() for each in (*parts, chance)}
    assert len(colours) == len(parts) + 1
    with Image.open(tmp_path / "missed.png") as image:
        assert min(image.size) > 300
        assert np.asarray(image.convert("L")).std() > 5


def test_the_sheet_shows_what_all_models_miss(tmp_path):
    models = align_groups(groups_of())
    assert most_missed(models)["image_id"].tolist() == ["image_00002"]
    green = encode(np.full((40, 30, 3), (0, 200, 0), dtype=np.uint8), 160)
    assert missed_sheet(tmp_path / "none.png", models, {"image_00000": green}) == 0
    assert not (tmp_path / "none.png").exists()
    assert missed_sheet(tmp_path / "sheet.png", models, {"image_00002": green, "image_00000": green}) == 1
    pixels = np.asarray(Image.open(tmp_path / "sheet.png").convert("RGB")).astype(int)
    assert ((pixels[..., 1] - pixels[..., 0] > 150) & (pixels[..., 2] < 60)).sum() > 1000


def test_where_no_image_is_missed_by_all_those_missed_by_most_are_shown():
    scores = {"one": [0.1, 0.9, 0.1], "two": [0.1, 0.2, 0.9], "three": [0.9, 0.9, 0.1]}
    models = align_groups(groups_of(scores, [True, True, False]))
    assert most_missed(models)["missed_by"].tolist() == [2]
    assert most_missed(align_groups(groups_of({"one": [0.9], "two": [0.8]}, [True]))).empty


def test_a_full_sheet_has_full_rows(tmp_path):
    wrong = replace(with_scores([True] * 2 * LIMIT, [0.1] * 2 * LIMIT), about=ABOUT)
    models = align_groups(group_runs([wrong, replace(wrong, about={**ABOUT, "name": "other"})], ["a", "b"]))
    green = encode(np.full((8, 8, 3), (0, 200, 0), dtype=np.uint8), 160)
    pictures = dict.fromkeys(most_missed(models)["image_id"], green)
    assert missed_sheet(tmp_path / "sheet.png", models, pictures) == LIMIT
