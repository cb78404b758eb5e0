"""Heat against a known place: hits, shares, chance, and what the same heat reaches elsewhere."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from common.config.schema import EvaluationConfig
from tests.helpers.predictions import make_predictions
from workflows.explain.pointing import MEASURES, elsewhere, hottest, measure, summarise, widened

PLACE = np.zeros((100, 50), bool)
PLACE[20:30, 10:20] = True
CHROMOSOMES = PLACE.copy()
CHROMOSOMES[60:70, 10:40] = True


def spot(row: int, column: int, value: float = 1.0) -> np.ndarray:
    heat = np.full((100, 50), 0.001)
    heat[row, column] = value
    return heat


@pytest.mark.parametrize(
    ("row", "column", "hit", "near"),
    [(25, 15, 1, 1), (29, 19, 1, 1), (32, 15, 0, 1), (33, 15, 0, 0), (25, 22, 0, 1), (31, 21, 0, 1), (32, 22, 0, 0)],
)
def test_the_pointing_game_allows_fifteen_pixels_of_five_hundred(row, column, hit, near):
    """Of 100 pixels those are 3: as the crow flies, from the place's last pixel."""
    actual = measure(spot(row, column), PLACE, CHROMOSOMES)
    assert (actual["pointing"], actual["pointing_near"]) == (hit, near)
    assert measure(spot(row, column), PLACE, CHROMOSOMES, tolerance=0.0)["pointing_near"] == hit


def test_the_chance_levels_are_shares_of_the_sheet_and_of_the_chromosomes():
    actual = measure(spot(0, 0), PLACE, CHROMOSOMES)
    assert actual["area"] == pytest.approx(100 / 5000)
    assert actual["area_of_chromosomes"] == pytest.approx(100 / 400)
    assert actual["area_near"] == pytest.approx(widened(PLACE, 0.03).sum() / 5000)
    even = measure(np.ones((100, 50)), PLACE, CHROMOSOMES)
    assert even["energy"] == pytest.approx(even["area"])
    assert even["pointing"] == pytest.approx(even["area"])  # all pixels are the hottest


def test_a_map_of_zeros_misses_and_has_no_energy_and_no_hottest_point():
    actual = measure(np.zeros((100, 50)), PLACE, CHROMOSOMES)
    assert (actual["pointing"], actual["pointing_near"]) == (0, 0)
    assert np.isnan(actual["energy"])
    (other,) = elsewhere([np.zeros((4, 4))], [np.ones((4, 4), bool)], ["a"])
    assert np.isnan(other["energy_elsewhere"])
    assert hottest(np.zeros((3, 3))) is None
    assert hottest(spot(7, 9)) == (7, 9)


@settings(max_examples=40, deadline=None)
@given(arrays(np.float32, (12, 9), elements=st.floats(0, 10, width=32)), arrays(bool, (12, 9)), st.floats(0.1, 50))
def test_energy_is_shared_out_and_has_no_unit(heat, place, factor):
    inside, outside = (measure(heat, one, np.ones((12, 9), bool))["energy"] for one in (place, ~place))
    if heat.sum() == 0:
        assert np.isnan(inside)
    else:
        assert inside + outside == pytest.approx(1)
        scaled = measure(heat.astype(np.float64) * factor, place, np.ones((12, 9), bool))["energy"]
        assert scaled == pytest.approx(inside, abs=1e-6)


def test_elsewhere_holds_heat_to_the_places_of_other_cells():
    places = [np.zeros((4, 4), bool) for _ in range(3)]
    places[0][0, 0] = places[1][0, 1] = places[2][0, :2] = True
    heat = np.zeros((4, 4))
    heat[0, :2] = (3.0, 1.0)
    actual = elsewhere([heat] * 3, places, ["a", "a", "b"])
    assert actual[0] == {
        "pointing_elsewhere": 1.0,
        "energy_elsewhere": 1.0,
    }  # the third's alone: the second is its cell
    assert actual[2]["pointing_elsewhere"] == pytest.approx(0.5)
    assert actual[2]["energy_elsewhere"] == pytest.approx((0.75 + 0.25) / 2)


def table_for(predictions, **columns) -> pd.DataFrame:
    count = len(predictions.frame)
    table = pd.DataFrame(dict.fromkeys(MEASURES, np.zeros(count)))
    facts = {"image_id": predictions.frame["image_id"], "kind": "gain", "called": True, "empty": False}
    return table.assign(**facts | columns)


def test_groups_are_averaged_with_intervals_by_subject():
    predictions = make_predictions(images=40, subjects=8)
    rng = np.random.default_rng(0)
    of_subject = rng.random(8)[np.arange(40) % 8]  # images of a subject are alike: eight values, not forty
    energy = np.where(np.arange(40) == 3, np.nan, of_subject)
    kinds = np.where(np.arange(40) < 10, "loss", "gain")
    table = table_for(
        predictions, energy=energy, kind=kinds, area=0.25, called=np.arange(40) < 20, energy_elsewhere=0.1
    )
    shuffled = table.sample(frac=1, random_state=0)
    actual = summarise(shuffled, predictions, EvaluationConfig(resamples=400)).set_index("group")
    assert list(actual.index) == ["all", "classified correctly", "gain", "loss"]
    assert actual["images"].tolist() == [40, 20, 30, 10]
    assert (actual["subjects"] == 8).all()
    whole = actual.loc["all"]
    assert whole["energy"] == pytest.approx(np.nanmean(energy))
    assert actual.loc["loss", "energy"] == pytest.approx(np.nanmean(energy[:10]))
    assert whole["energy_gain"] == pytest.approx(np.nanmean(energy) - 0.25)
    assert whole["energy_gain_elsewhere"] == pytest.approx(np.nanmean(energy) - 0.1)
    assert whole["energy_low"] < whole["energy"] < whole["energy_high"]
    assert (whole["area_low"], whole["area_high"]) == pytest.approx((0.25, 0.25))
    # no hit among eight subjects does not say that there is none
    assert whole["pointing"] == whole["pointing_low"] == 0
    assert whole["pointing_high"] == pytest.approx(1 - 0.025 ** (1 / 8))
    # as if its images were independent, the interval would be less than half as wide
    alone = make_predictions(images=40, subjects=None)
    narrow = summarise(table, alone, EvaluationConfig(resamples=400)).set_index("group").loc["all"]
    assert whole["energy_high"] - whole["energy_low"] > 1.7 * (narrow["energy_high"] - narrow["energy_low"])
