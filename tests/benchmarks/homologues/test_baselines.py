"""Baselines score the pairs of a run without having seen a rearrangement, and write its tables."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import roc_auc_score

from benchmarks.homologues.__main__ import app
from benchmarks.homologues.band_profile import compare_profiles, profiles, standardised
from benchmarks.homologues.items import Described
from benchmarks.homologues.one_class import NormalPairs, compare_summaries
from common.runs.run import Run
from tests.helpers.chromosomes import write_chromosomes
from tests.helpers.terminal import error_of, run_app
from tests.helpers.training import small_config
from tests.workflows.interrupted_run import run_unevaluated

NET = ["model.cut=layer1", "prepare.size=[48,24]", "prepare.canvas.area=120", "pairs.width=16", "loader.batch_size=16"]


def banded(seed: int, rows: int = 60, height: int = 80) -> torch.Tensor:
    """A chromosome of even width in the middle of an image, shape (height, 16)."""
    generator = torch.Generator().manual_seed(seed)
    bands = F.interpolate(0.3 + 0.7 * torch.rand(1, 1, 12, generator=generator), size=rows, mode="linear")[0, 0]
    image = torch.zeros(height, 16)
    top = (height - rows) // 2
    image[top : top + rows, 4:12] = bands[:, None]
    return image


def test_equal_chromosomes_differ_in_nothing_at_any_brightness():
    one = banded(0)
    found = compare_profiles(torch.stack([one, 0.6 * one])[None])
    assert found.numbers[0].tolist() == pytest.approx([0, 0], abs=1e-3)


def test_a_stretched_one_is_aligned():
    one = banded(0)
    other = banded(0, rows=64)
    unlike = banded(1, rows=64)
    like, different = (compare_profiles(torch.stack([one, each])[None]) for each in (other, unlike))
    assert float(like.numbers[0, 0]) < 0.3 * float(different.numbers[0, 0])
    assert float(like.numbers[0, 1]) == pytest.approx(np.log(64 / 60), abs=1e-4)


def test_the_hottest_token_is_where_they_differ():
    one = banded(0)
    other = one.clone()
    other[52:62] = other[52:62].flip(0) * (other[52:62] > 0)
    other[52:62, 4:12] = 1.3 - other[52:62, 4:12]
    found = compare_profiles(torch.stack([one, other])[None])
    assert 52 // 4 <= int(found.hottest) <= 62 // 4


def test_the_place_is_on_the_longer_chromosome():
    found = compare_profiles(torch.stack([banded(0, rows=50), banded(1, rows=60)])[None])
    assert int(found.hottest) >= 80 // 4


def test_rows_beyond_the_chromosome_are_not_covered():
    profile, covered = profiles(torch.stack([banded(0), banded(1, rows=40)])[None])
    assert covered.sum(2).tolist() == [[60, 40]]
    assert float(profile[0, 1, :20].abs().max()) == 0


def described(numbers, chromosome) -> Described:
    nothing = np.zeros(len(chromosome))
    return Described(np.asarray(numbers, float), np.asarray(chromosome), nothing, nothing)


def test_scores_are_in_standard_deviations_of_normal_pairs_of_the_chromosome():
    normal = [(1, 0), (3, 1), (1, 0), (3, 1), (10, 0), (30, 1), (10, 0), (30, 1)]
    chromosome = [0] * 4 + [1] * 4
    found = described([*normal, (4, 0.5), (40, 0.5)], [*chromosome, 0, 1])
    spread = np.std([1, 3, 1, 3], ddof=1)
    assert standardised(found, np.arange(10) < 8)[8:].tolist() == pytest.approx([2 / spread] * 2)


def test_unusual_pairs_are_far_from_the_normal_ones_of_their_chromosome():
    rng = np.random.default_rng(0)
    chromosome = rng.integers(2, size=4000)
    numbers = rng.normal(size=(4000, 3)) * [1, 5, 0.1] + chromosome[:, None] * 100
    usual = NormalPairs(numbers, chromosome)
    distance = usual.distance(numbers, chromosome)
    assert np.mean(distance**2) == pytest.approx(3, rel=0.02)  # of three independent numbers
    point = np.array([[100.0, 115, 100]])
    assert usual.distance(point, np.array([1])) == pytest.approx(3, rel=0.1)
    assert usual.distance(point, np.array([0])) > 50
    assert usual.distance(point, np.array([22])) > 1  # a chromosome without normal pairs


def test_the_place_of_a_pair_is_where_its_bands_are_unlike():
    one, other = torch.rand(2, 80, 16, generator=torch.Generator().manual_seed(0))
    image = torch.stack([one, torch.cat([one[:40], other[40:]])])[None]
    hottest = int(compare_summaries(image).hottest)
    assert hottest % 20 >= 9


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("baselines")
    cells = write_chromosomes(home / "data", cases=6)
    return run_unevaluated(small_config(home, *NET, experiment="homologue_pairs", data=[f"data_dir={cells}"]))


def test_both_baselines_have_the_items_of_the_run(run, tmp_path):
    run_app(app, run, "--output", tmp_path / "baselines")
    own = Run(run)
    for name in ("band_profile", "one_class"):
        baseline = Run(tmp_path / "baselines" / name)
        assert baseline.pairs.columns.tolist() == own.pairs.columns.tolist()
        unchanged = ["image_id", "part", "kind", "chromosome", "size", "changed"]
        pd.testing.assert_frame_equal(baseline.pairs[unchanged], own.pairs[unchanged])
        assert np.isfinite(baseline.pairs["score"]).all()
        assert set(baseline.pairs["hit"]) <= {0.0, 1.0}
        assert (baseline.predictions.frame["image_id"] == baseline.pairs["image_id"]).all()
        assert baseline.predictions.about["name"] == name
        chosen = baseline.pairs[baseline.pairs["kind"].isin(["untouched", "deletion"])]
        assert roc_auc_score(chosen["kind"] == "deletion", chosen["score"]) > 0.5
    result = run_app(app, run, "--output", tmp_path / "baselines", code=1)
    assert "exists" in error_of(result)
