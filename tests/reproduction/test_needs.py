"""What a reproduction says before its first step: images, weights, runs that will fail, training and disk."""

import cv2
import numpy as np
import pytest

from docs.synthetic_cnmc import draw_cells
from karyocyte.common.errors import UserError
from karyocyte.composition.grid import job_configs
from karyocyte.workflows.papers import preflight
from karyocyte.workflows.papers.plan import Options, make_plan


@pytest.fixture
def report(tmp_path, capsys, monkeypatch):
    """Return a function that gives the lines of a report, of the jobs of a plan; they are not folded."""
    monkeypatch.setattr(preflight, "LINE", 2000)

    def lines(paper, *words, **options):
        words = (f"cache_dir={tmp_path / 'cache'}", f"weights_dir={tmp_path / 'weights'}", *words)
        plan = make_plan(paper, words, tmp_path / "out", Options(**options))
        preflight.report_plan(plan, {split.name: job_configs(plan.jobs_of(split)) for split in plan.splits})
        assert not (tmp_path / "cache").exists()  # nothing is unpacked or downloaded
        return [line.strip() for line in capsys.readouterr().out.splitlines()[1:]]

    return lines


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """A share of the published cells."""
    folder = tmp_path_factory.mktemp("cells") / "cells"
    draw_cells(folder, 0.005)
    return folder


def karyograms(folder, *names):
    for name in names:
        for label in ("normal", "abnormal"):
            (folder / label).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / label / name), np.zeros((8, 8, 3), np.uint8))
    return f"data_dir={folder}"


def test_images_training_and_disk_of_a_part_of_the_images(cells, report):
    found = len(list(cells.rglob("*.bmp")))
    words = (f"data_dir={cells}", "prepare.size=64", "trainer.max_epochs=40000")
    lines = report("004", *words, experiments=("scratch_cnn_d128",), honest=True)
    assert f": {found} of 10,661 found; " in lines[0]
    assert lines[1] == "weights: scratch_cnn, random: none needed"
    assert lines[2].startswith("left out: ensemble_average, for want of scratch_cnn_d256_dropout2, vgg16_cut_block5")
    assert lines[-2].startswith("training: 2 runs, 2 stages of at most 40,000 epochs; ")
    assert lines[-1].startswith("disk: prepared images, once for all runs, 0.00 GB (an estimate")
    assert lines[-1].endswith(" GB free for cache_dir")  # output_dir is on the same disk
    clahe = {"experiments": ("scratch_cnn_d128", "resnet50_cut_block5_clahe"), "seeds": (0, 1)}
    lines = report("004", *words, "output_dir=/dev/outputs", "trainer.max_images=1000", **clahe)
    assert lines[-1].endswith(" GB free for output_dir")
    assert lines[-2].startswith("training: 4 runs, 6 stages of at most 1,000 images; ")
    assert "sweep_status.py --watch 5 --output-dir /dev/outputs`" in lines[-2]


def test_weights_are_at_hand_or_to_be_downloaded_or_the_runs_fail(tmp_path, report):
    data = karyograms(tmp_path / "data", "a.png")
    some = ("karyogram_vgg16", "karyogram_inceptionv3")
    words = (data, "data=karyograms", "weights=vgg16.tv_in1k")
    lines = report("001", *words, experiments=some)
    assert any(line.startswith("weights: vgg16, vgg16.tv_in1k: to be downloaded") for line in lines)
    (failing,) = (line for line in lines if line.startswith("will fail"))
    assert failing.startswith("will fail: karyogram_inceptionv3, paper split: weights=vgg16.tv_in1k: a tag of vgg16")


def test_an_honest_split_without_subjects_will_fail(tmp_path, report):
    words = (karyograms(tmp_path / "data", "a.png", "b.png"), "data=karyograms", "weights=random")
    lines = report("001", *words, experiments=("karyogram_vgg16",), honest=True)
    assert f"will fail: karyogram_vgg16, honest split: {preflight.NO_SUBJECT}" in lines
    known = report("001", *words, "data.subject_regex=(.)", experiments=("karyogram_vgg16",), honest=True)
    assert not [line for line in known if line.startswith("will fail")]


def test_a_folder_of_other_data_is_refused(tmp_path, cells, report):
    with pytest.raises(UserError, match=r"no table .*labels\.csv"):
        report("001", f"data_dir={cells}", experiments=("karyogram_vgg16",))
    with pytest.raises(UserError, match="C-NMC"):
        report("004", karyograms(tmp_path / "data", "a.png"), experiments=("scratch_cnn_d128",))
