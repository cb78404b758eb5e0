"""What is kept of finished runs: small, evaluated as before, of committed code alone."""

from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest

from karyocyte.common.errors import UserError
from karyocyte.evaluation.intervals.seeds import seed_means
from karyocyte.runs.run import Run
from packages.reproduction.tests.evidence.runs import SETTINGS, finished_run
from reproduction.evidence.keep import keep


def test_kept_predictions_are_evaluated_as_those_of_the_run(tmp_path):
    run = finished_run(tmp_path)

    kept = Run.open(keep(run, tmp_path / "evidence"))

    before, after = (seed_means([each.predictions], SETTINGS).metrics["auc"].value for each in (run, kept))
    assert after == pytest.approx(before, abs=2e-3)
    assert kept.predictions.frame["prob_all"].dtype == np.float16
    assert "data_dir" not in kept.raw_config


def test_a_split_is_kept_once_with_digests_and_another_one_is_refused(tmp_path):
    evidence = tmp_path / "evidence"
    keep(finished_run(tmp_path), evidence)
    keep(finished_run(tmp_path, seed=1), evidence)

    (path,) = (evidence / "splits").glob("*.parquet")
    split = pd.read_parquet(path)
    assert path.stem == "cnmc-subject-fold0"
    assert split["sha256"].str.len().eq(12).all()

    other = finished_run(tmp_path, seed=2)
    other.write_split(other.split.assign(sha256="0" * 64))  # of other files
    with pytest.raises(UserError, match="another split.*sha256"):
        keep(other, evidence)
    assert not list(evidence.rglob("seed=2"))


@pytest.mark.parametrize(
    ("revisions", "state", "reason"),
    [
        (["0123456789ab+changes"], "finished", "not committed"),
        (["0123456789ab", "0123456789ab+changes"], "finished", "not committed"),
        ([], "finished", "not committed"),
        (None, "interrupted", "not finished"),
    ],
)
def test_a_run_that_is_unfinished_or_of_code_that_is_not_committed_cannot_be_kept(tmp_path, revisions, state, reason):
    run = finished_run(tmp_path, revisions=revisions)
    run.write_status(state)
    with pytest.raises(UserError, match=reason):
        keep(run, tmp_path / "evidence")
    assert not (tmp_path / "evidence").exists()


def explained(run, images=60, target=None, layer="layer"):
    """Write the table of heat maps of some test images."""
    test = run.predictions.part("test").frame[["image_id", "label"]].head(images)
    (run.folder / "heatmaps").mkdir(exist_ok=True)
    (run.folder / "heatmaps" / f"gradcam-{layer}.parquet").touch()
    test = test.assign(target=target or test["label"], inside=0.75, content=0.5)
    test.to_csv(run.folder / "heatmaps" / f"gradcam-{layer}.csv")
    run.record_made(*(run.folder / "heatmaps").iterdir())


@pytest.mark.parametrize(
    ("more", "kept"), [({}, True), ({"images": 59}, False), ({"target": "all"}, None), ({"layer": "another"}, None)]
)
def test_heat_is_kept_of_all_test_images_and_refused_of_another_class_or_of_several_layers(tmp_path, more, kept):
    run = finished_run(tmp_path)
    explained(run)
    explained(run, **more)
    with nullcontext() if kept is not None else pytest.raises(UserError, match="target=true"):
        assert (keep(run, tmp_path / "evidence") / "heat.parquet").is_file() == kept
