"""The detector and the cutter in models/: the files are those of their cards, and they read a composed metaphase."""

import numpy as np
import pytest

from cytogenetics.images.boxes import assign, overlaps
from cytogenetics.metaphases.box_finder import BoxFinder
from cytogenetics.metaphases.data.cut_out import cut_out_by, network_picture
from cytogenetics.metaphases.networks.cutter import Cutter
from cytogenetics.metaphases.networks.trained import load
from cytogenetics.trained.pictures import BUILT_IN_DETECTORS, BUILT_IN_REFINER, describe
from karyocyte.common.paths import ROOT
from karyocyte.runs.run import Run
from packages.cytogenetics.tests.metaphases.data.sets import agreements

MODELS = ROOT / "models"
MOST_BYTES = 22_000_000  # of all models of karyotypes
PICTURE_NETWORKS = {"metaphases": "detector", "metaphases_turned": "detector", "refiner": "refiner", "cutter": "cutter"}


def picture_of(drawn, scale):
    return network_picture(np.repeat(drawn.pixels[..., None], 3, axis=2), scale)


def test_the_detectors_and_the_refiner_find_most_chromosomes(drawn):
    finder = BoxFinder.load(BUILT_IN_DETECTORS, BUILT_IN_REFINER)
    boxes, probabilities = finder.find(np.repeat(drawn.pixels[..., None], 3, axis=2))
    boxes = boxes[probabilities > 0.5]
    matched = assign(overlaps(boxes, np.array([one.box for one in drawn.chromosomes])), 0.5)
    assert (matched >= 0).sum() >= 0.9 * len(drawn.chromosomes)
    assert len(boxes) <= 1.1 * len(drawn.chromosomes)


@pytest.mark.parametrize("name", [*PICTURE_NETWORKS])
def test_a_card_has_the_figures_of_its_network(name):
    card = (MODELS / name / "README.md").read_text()
    evaluation = describe(Run(MODELS / name)).facts.evaluation
    assert all(f"| {row['value']:.3f} |" in card for row in evaluation)


def test_the_models_of_karyotypes_are_small():
    sizes = [path.stat().st_size for name in ("chromosomes", *PICTURE_NETWORKS) for path in (MODELS / name).iterdir()]
    assert sum(sizes) < MOST_BYTES


def test_the_cutter_gives_masks_near_the_true_ones(drawn):
    cutter = load(MODELS / "cutter", Cutter)
    boxes = np.array([one.box for one in drawn.chromosomes])
    cuts = cut_out_by(cutter.probabilities, picture_of(drawn, 1.0), boxes)
    assert np.mean(agreements(drawn, cuts)) > 0.75
