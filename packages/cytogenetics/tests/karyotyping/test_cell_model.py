"""Predictions of new cells by several networks, and the images that these are adapted to before."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from cytogenetics.cells.cell_settings import KaryotypePriors, NamingSettings
from cytogenetics.images.cell_images import read_cell
from cytogenetics.images.cells import find_cells
from cytogenetics.karyotyping.cell_model import CellModel, sample_of_cells
from cytogenetics.karyotyping.karyotype_request import KaryotypeRequest
from cytogenetics.trained.pictures import Calibration
from karyocyte.common.karyotype import CHROMOSOMES
from karyocyte.composition.compose import compose_config
from karyocyte.evaluation.pooling.averaging import Combiner
from karyocyte.inference.networks import LoadedNetwork
from tests.helpers.chromosomes import NUMBERS, bar
from tests.helpers.images import write_image

RUNS_ORDER = sorted(CHROMOSOMES)  # 1, 10, 11, ..., X, Y
NAMING = NamingSettings(KaryotypePriors(), 0.95, balanced=False)
PREPARE = compose_config(["+experiment=chromosomes"]).prepare


class FakeNetwork:
    """Gives image i of a cell the class RUNS_ORDER[i] with a probability of 0.6."""

    def arrays(self, image):
        return {"probability": np.full((24, 24), 0.4 / 23) + np.eye(24) * (0.6 - 0.4 / 23)}


@pytest.fixture
def predict(tmp_path):
    """A function that predicts a cell of 24 images by two networks and an ensemble's combiner, or their average."""
    for number in NUMBERS:
        write_image(tmp_path / "cell" / f"{number}.png", bar(number))
    (cell,) = find_cells(tmp_path / "cell", tmp_path / "cache", progress=False).cells

    def call(combiner=None):
        network = LoadedNetwork("a", FakeNetwork(), PREPARE, 32, tuple(RUNS_ORDER))
        model = CellModel([network, network], Calibration((1.0, 1.0), 1.0, False), combiner, NAMING)
        with ThreadPoolExecutor(1) as pool:
            files = read_cell(cell, PREPARE, pool)
            return np.exp(model.predict(files, pool).log_probabilities)

    return call


def test_an_average_is_in_the_order_of_chromosomes(predict):
    assert [CHROMOSOMES[kind] for kind in predict().argmax(axis=1)] == RUNS_ORDER


def test_a_fitted_ensemble_weighs_its_members(predict):
    assert predict(Combiner("genetic", np.array([0.2, 0.8]))) == pytest.approx(predict())


def test_networks_are_adapted_to_what_is_used(tmp_path):
    for number in NUMBERS:
        write_image(tmp_path / "cell" / f"{number}.png", bar(number))
    write_image(tmp_path / "cell" / "large.png", bar(1, scale=6.0))
    cells = find_cells(tmp_path / "cell", tmp_path / "cache", progress=False).cells
    with ThreadPoolExecutor(1) as pool:
        (files,) = sample_of_cells(cells, PREPARE, pool)
    assert {file.file.name for file in files} == {f"{number}.png" for number in NUMBERS}


@pytest.mark.parametrize(("words", "adapts"), [((), False), (["batchnorm=images"], True)])
def test_a_picture_of_a_metaphase_changes_no_other_unless_it_is_to(tmp_path, words, adapts):
    (tmp_path / "cells").mkdir()
    request = KaryotypeRequest.read([str(tmp_path / "cells"), *words], output=tmp_path / "out")
    model = CellModel.load(request, of_metaphases=True)
    assert [network.adapts for network in model.networks] == [adapts]
    assert bool(model.thresholds.settled) == (not adapts)  # they were chosen without
    assert all(network.adapts for network in CellModel.load(request, of_metaphases=False).networks)
