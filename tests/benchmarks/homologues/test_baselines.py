"""Baselines score the pairs of a run without having seen a rearrangement, and write its tables."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import roc_auc_score

from benchmarks.homologues.__main__ import app
from benchmarks.homologues.band_profile import compare_profiles, profiles
from benchmarks.homologues.items import standardised
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
    assert float(found.largest) == pytest.approx(0, abs=1e-3)
    assert float(found.length) == 0


def test_a_stretched_one_is_aligned():
    one = banded(0)
    other = banded(0, rows=64)
    unlike = banded(1, rows=64)
    like, different = (compare_profiles(torch.stack([one, each])[None]) for each in (other, unlike))
    assert float(like.largest) < 0.3 * float(different.largest)
    assert float(like.length) == pytest.approx(np.log(64 / 60), abs=1e-4)


def test_the_hottest_token_is_where_they_differ():
    one = banded(0)
    other = one.clone()
    other[52:62] = other[52:62].flip(0) * (other[52:62] > 0)
    other[52:62, 4:12] = 1.3 - other[52:62, 4:12]
    found = compare_profiles(torch.stack([one, other])[None])
    assert 52 // 4 <= int(found.hottest) <= 62 // 4


def test_rows_beyond_the_chromosome_are_not_covered():
    profile, covered = profiles(torch.stack([banded(0), banded(1, rows=40)])[None])
    assert covered.sum(2).tolist() == [[60, 40]]
    assert float(profile[0, 1, :20].abs().max()) == 0


def test_scores_are_in_standard_deviations_of_normal_pairs_of_the_chromosome():
    normal = pd.DataFrame({"chromosome": [0] * 4 + [1] * 4, "largest": [1, 3] * 2 + [10, 30] * 2, "length": [0, 1] * 4})
    spread = normal.groupby("chromosome")[["largest", "length"]].std().loc[0]
    found = pd.DataFrame({"chromosome": [0, 1], "largest": [4.0, 40.0], "length": [0.5, 0.5]})
    assert standardised(found, normal).tolist() == pytest.approx([2 / spread["largest"]] * 2)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("baselines")
    cells = write_chromosomes(home / "data", cases=6)
    return run_unevaluated(small_config(home, *NET, experiment="homologue_pairs", data=[f"data_dir={cells}"]))


def test_both_baselines_have_the_items_of_the_run(run, tmp_path):
    run_app(app, run, "--output", tmp_path / "baselines", "--of-each", 3)
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
