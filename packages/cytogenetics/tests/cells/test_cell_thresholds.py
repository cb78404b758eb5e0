"""The thresholds of referral of runs and ensembles."""

import pandas as pd
import pytest

from cytogenetics.cells.cell_settings import KaryotypeConfig
from cytogenetics.cells.cell_thresholds import choose_on_validation, referral_thresholds
from cytogenetics.trained.pictures import BUILT_IN
from karyocyte.inference.models import RunsModel, open_model
from karyocyte.runs.run import Run
from packages.cytogenetics.tests.cells.cells import make_cells
from tests.helpers.predictions import join


def model(folder, cells, *firsts):
    """Return runs with so many validation cells each, numbered from ``firsts``."""
    runs = []
    for number, first in enumerate(firsts):
        runs.append(Run(folder / str(number)))
        runs[-1].write_predictions(join(make_cells(cells, 5.0, part="validation", first=first), make_cells(2, seed=99)))
    return RunsModel(runs)


@pytest.mark.parametrize("firsts", [[1000], [1000, 1000], [1000, 2000]])
def test_validation_cells_are_those_in_common_or_each_members_own(tmp_path, firsts):
    few = choose_on_validation(model(tmp_path / "few", 4, *firsts), KaryotypeConfig())
    assert few.expected_wrong == 0.5
    assert f"of {4 * len(set(firsts))} validation cells" in few.note
    chosen = choose_on_validation(model(tmp_path / "many", 24, *firsts), KaryotypeConfig())
    assert (chosen.note, chosen.distance) == (None, None)


def test_cells_of_metaphases_have_thresholds_of_their_own_and_those_that_the_user_sets(tmp_path):
    run = model(tmp_path, 24, 1000)
    of_cells = referral_thresholds(run, KaryotypeConfig(), of_metaphases=False)
    of_metaphases = referral_thresholds(run, KaryotypeConfig(), of_metaphases=True)
    assert of_cells.expected_wrong < of_metaphases.expected_wrong
    of_user = referral_thresholds(run, KaryotypeConfig(refer_expected_wrong=0.2), of_metaphases=True)
    assert (of_user.expected_wrong, of_user.distance) == (0.2, of_metaphases.distance)


def test_thresholds_of_metaphases_have_a_note_unless_they_are_of_the_built_in_model(tmp_path):
    built_in = open_model([BUILT_IN])
    assert referral_thresholds(built_in, KaryotypeConfig(), of_metaphases=True).note is None
    run, images = model(tmp_path, 24, 1000), {"batchnorm": "images"}
    for of, words, causes in (
        (built_in, {"refiner": "none"}, (True, False)),
        (built_in, images, (False, True)),
        (run, {}, (True, False)),
        (run, {"refer_expected_wrong": 0.2, **images}, (True, True)),
    ):
        chosen = referral_thresholds(of, KaryotypeConfig(**words), of_metaphases=True)
        assert ("earlier networks" in chosen.note, "batchnorm=images" in chosen.note) == causes
        assert not chosen.settled


def test_distances_of_validation_cells_choose_a_threshold_which_holds_in_its_own_unit_alone(tmp_path, monkeypatch):
    run = model(tmp_path, 24, 1000)
    part = run.members[0].predictions.part("validation").frame
    codes = part["cell"].astype("category").cat.codes / 10  # 0 to 2.3, the same within a cell
    distances = pd.Series(codes.to_numpy(), part["image_id"])  # in the unit that the user sets
    monkeypatch.setattr("cytogenetics.cells.cell_thresholds.validation_distances", lambda *_: distances)
    assert choose_on_validation(run, KaryotypeConfig()).distance == pytest.approx(2.2)
    other = KaryotypeConfig(out_of_distribution=0.1)
    assert referral_thresholds(run, KaryotypeConfig(), of_metaphases=True).distance is not None
    assert referral_thresholds(run, other, of_metaphases=True).distance is None
    assert referral_thresholds(run, other, of_metaphases=False).distance == pytest.approx(2.1)
    set_by_user = KaryotypeConfig(out_of_distribution=0.1, refer_distance=0.7)
    assert referral_thresholds(run, set_by_user, of_metaphases=True).distance == 0.7
