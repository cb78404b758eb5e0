"""With init_from, what the earlier run saw must not judge the later one."""

import pandas as pd
import pytest

from common.errors import UserError
from datamodules.manifest.leakage import seen_by_start
from tests.helpers.manifests import make_manifest

PARTS = ["train", "train", "validation", "test"]


def earlier(tmp_path, manifest, parts):
    frame = manifest.frame[["image_id", "path", "label", "subject", "sha256"]].assign(part=parts)
    frame.to_csv(tmp_path / "split.csv", index=False)
    return tmp_path


@pytest.fixture
def manifest():
    return make_manifest(["a", "b", "a", "b"], subjects=["1", "2", "3", "4"])


def test_the_same_split_has_seen_nothing(tmp_path, manifest):
    run = earlier(tmp_path, manifest, PARTS)
    assert seen_by_start(run, manifest, pd.Series(PARTS), "subject") == 0


@pytest.mark.parametrize("part", ["train", "validation"])
def test_a_test_image_that_was_trained_or_chosen_on_stops_the_run(tmp_path, manifest, part):
    run = earlier(tmp_path, manifest, ["train", "train", "test", part])
    for protocol in ("subject", "image"):
        with pytest.raises(UserError, match="on 1 of the images that evaluate this run"):
            seen_by_start(run, manifest, pd.Series(PARTS), protocol)
    assert seen_by_start(run, manifest, pd.Series(PARTS), "paper") == 1


def test_a_subject_counts_under_subject_alone(tmp_path, manifest):
    other = make_manifest(["a", "b", "a", "b"], subjects=["1", "4", "3", "9"])
    other.frame["sha256"] = [f"{row:064x}" for row in range(100, 104)]  # other pictures of the same person
    run = earlier(tmp_path, other, PARTS)
    assert seen_by_start(run, manifest, pd.Series(PARTS), "image") == 0
    with pytest.raises(UserError, match="init_from"):
        seen_by_start(run, manifest, pd.Series(PARTS), "subject")


def test_a_folder_without_a_split_is_refused(tmp_path, manifest):
    with pytest.raises(UserError, match=r"no split\.csv"):
        seen_by_start(tmp_path, manifest, pd.Series(PARTS), "subject")
