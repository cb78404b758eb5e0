"""What a reproduction says before its first step: images, weights, and runs that will fail."""

import cv2
import numpy as np
import pytest

from docs.synthetic_cnmc import draw_cells
from karyocyte.common.errors import UserError
from karyocyte.composition.grid import job_configs
from reproduction import needs
from reproduction.plan import Options, make_plan


@pytest.fixture
def report(tmp_path, capsys, monkeypatch):
    """Return a function that gives the lines of a report, of the jobs of a plan; they are not folded."""
    monkeypatch.setattr(needs, "LINE", 2000)

    def lines(paper, *words, **options):
        words = (f"cache_dir={tmp_path / 'cache'}", f"weights_dir={tmp_path / 'weights'}", *words)
        plan = make_plan(paper, words, tmp_path / "out", Options(**options))
        needs.report_needs({split.name: job_configs(plan.jobs_of(split)) for split in plan.splits})
        assert not (tmp_path / "cache").exists()  # nothing is unpacked or downloaded
        return [line.strip() for line in capsys.readouterr().out.splitlines()[1:]]

    return lines


@pytest.fixture
def karyograms(tmp_path):
    for label in ("normal", "abnormal"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for name in ("a.png", "b.png"):
            cv2.imwrite(str(tmp_path / "data" / label / name), np.zeros((8, 8, 3), np.uint8))
    return f"data_dir={tmp_path / 'data'}"


def test_a_part_of_the_images_and_no_weights(tmp_path, report):
    draw_cells(tmp_path / "cells", 0.005)
    found = len(list(tmp_path.rglob("*.bmp")))
    lines = report("004", f"data_dir={tmp_path / 'cells'}", experiments=("scratch_cnn_d128",), honest=True)
    assert lines[0].endswith(f": {found} of 10,661 found; the paper's figures are compared on a part of its images")
    assert lines[1:] == ["weights: scratch_cnn, random: none needed"]


def test_weights_are_to_be_downloaded_or_the_runs_fail(karyograms, report):
    some = ("karyogram_vgg16", "karyogram_inceptionv3")
    lines = report("001", karyograms, "data=karyograms", "weights=vgg16.tv_in1k", experiments=some)
    assert any(line.startswith("weights: vgg16, vgg16.tv_in1k: to be downloaded") for line in lines)
    (failing,) = (line for line in lines if line.startswith("will fail"))
    assert failing.startswith("will fail: karyogram_inceptionv3, paper split: weights=vgg16.tv_in1k: no such tag")


def test_an_honest_split_without_subjects_will_fail(karyograms, report):
    words, some = (karyograms, "data=karyograms", "weights=random"), ("karyogram_vgg16",)
    failing = f"will fail: karyogram_vgg16, honest split: {needs.NO_SUBJECT}"
    assert failing in report("001", *words, experiments=some, honest=True)
    assert failing not in report("001", *words, "data.subject_regex=(.)", experiments=some, honest=True)


def test_a_folder_of_other_data_is_refused(karyograms, report):
    with pytest.raises(UserError, match="C-NMC"):
        report("004", karyograms, experiments=("scratch_cnn_d128",))
