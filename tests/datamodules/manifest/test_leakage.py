"""The leak check finds what is on two sides, and stops where the protocol says so."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamodules.manifest import leakage
from datamodules.manifest.leakage import check_leaks, seen_by_start
from karyocyte.common.errors import UserError
from karyocyte.config.data import SplitConfig
from tests.helpers.images import cell_image, scan_cnmc, scan_folder, write_class_folders, write_image
from tests.helpers.manifests import make_manifest
from tests.helpers.real_data import real_data

SIDES = pd.Series(["train", "train", "validation", "test", "unused"], dtype=object)


def five(**columns):
    return make_manifest(["a", "b", "a", "b", "a"], **columns)


def listed(pairs):
    return list(pairs[["left", "right", "distance"]].itertuples(index=False, name=None))


def with_bits(base: str, flipped: int, first: int = 0) -> str:
    """Flip some bits of a hash, from a bit on."""
    return f"{int(base, 16) ^ (((1 << flipped) - 1) << first):064x}"


def test_a_subject_on_two_sides_stops_under_subject_only():
    manifest = five(subjects=["s1", "s2", "s3", "s1", "s2"])
    with pytest.raises(UserError, match=r"subjects in more than one part: 1 \(s1\).*protocol=image"):
        check_leaks(manifest, SIDES, "subject", SplitConfig())
    for protocol in ("image", "paper"):
        assert check_leaks(manifest, SIDES, protocol, SplitConfig()).subjects == ("s1",)


@pytest.mark.parametrize("protocol", ["subject", "image"])
@pytest.mark.parametrize(
    ("sha256", "message"),
    [
        ("xyxyz", r"i00000 \(train\) and i00002 \(validation\): keep one copy"),
        ("wxyzx", "different labels: 1 groups, first i00001 and i00004"),  # the last one is unused
    ],
)
def test_the_same_bytes_on_two_sides_or_with_different_labels_stop(protocol, sha256, message):
    with pytest.raises(UserError, match=message):
        check_leaks(five(sha256=list(sha256)), SIDES, protocol, SplitConfig())


def test_under_paper_everything_is_a_warning():
    manifest = five(subjects=["s"] * 5, sha256=["x", "y", "x", "y", "z"], phash=["0" * 64] * 5)
    report = check_leaks(manifest, SIDES, "paper", SplitConfig())
    assert report.subjects == ("s",)
    assert listed(report.identical_pairs) == [(0, 2, 0), (1, 3, 0)]
    assert report.near_count == 3  # 0-3, 1-2, 2-3: not 0-2 and 1-3, whose bytes are the same
    assert list(report.sentences()) == ["subjects", "identical", "near"]
    json.dumps(report.as_dict(), allow_nan=False)


def test_copies_within_a_part_or_among_unused_images_are_no_leak():
    hashes = ["0" * 64, "0" * 64, "f" * 64, "00ff" * 16, "f" * 64]
    manifest = make_manifest(["a", "a", "b", "b", "b"], sha256=["x", "x", "y", "z", "z"], phash=hashes)
    report = check_leaks(manifest, SIDES, "image", SplitConfig())
    assert report.pairs.empty
    assert report.near_count == 0


def test_identical_files_with_different_labels_are_listed_wherever_they_are():
    report = check_leaks(five(sha256=["x", "x", "y", "y", "q"]), SIDES, "paper", SplitConfig())
    assert report.conflicting == (("i00000", "i00001"), ("i00002", "i00003"))
    assert "2 groups, first i00000 and i00001" in report.sentences()["conflicting"]


@pytest.mark.parametrize("first", [0, 60, 124, 200])  # the halves of a hash are compared one after the other
@pytest.mark.parametrize(("distance", "found"), [(31, 1), (32, 1), (33, 0)])
def test_near_duplicates_are_found_up_to_the_number_of_bits(distance, found, first):
    hashes = five().frame["phash"].tolist()
    hashes[3] = with_bits(hashes[0], distance, first)
    manifest = five(phash=hashes)
    report = check_leaks(manifest, SIDES, "subject", SplitConfig(near_duplicates="report"))
    assert report.near_count == found
    assert listed(report.near_pairs) == [(0, 3, distance)] * found
    assert check_leaks(manifest, SIDES, "subject", SplitConfig(near_duplicates="off")).as_dict()["near_pairs"] is None


@given(st.integers(0, 2**32 - 1), st.integers(90, 140))
def test_near_pairs_are_those_of_a_plain_loop(seed, bits):
    rng = np.random.default_rng(seed)
    hashes = [row.tobytes().hex() for row in rng.integers(0, 256, (30, 32), dtype=np.uint8)]
    sides = rng.choice(["train", "validation", "test", "unused"], 30)
    manifest = make_manifest(["a", "b"] * 15, phash=hashes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(leakage, "NEAR_BITS", bits)
        report = check_leaks(manifest, pd.Series(sides, dtype=object), "image", SplitConfig())
    wanted = set()
    for one in range(30):
        for other in range(one):
            distance = (int(hashes[one], 16) ^ int(hashes[other], 16)).bit_count()
            if distance <= bits and sides[one] != sides[other] and "unused" not in (sides[one], sides[other]):
                wanted.add((frozenset((one, other)), distance))
    assert {(frozenset(pair[:2]), pair[2]) for pair in listed(report.near_pairs)} == wanted
    assert report.near_count == len(wanted)
    assert report.near_pairs["distance"].is_monotonic_increasing


def test_of_very_many_pairs_the_closest_are_kept_and_all_are_counted(monkeypatch):
    monkeypatch.setattr(leakage, "LISTED_PAIRS", 5)
    monkeypatch.setattr(leakage, "_AT_ONCE", 7)
    hashes = [with_bits("0" * 64, number) for number in range(20)]
    manifest = make_manifest(["a", "b"] * 10, phash=hashes)
    parts = pd.Series(["train"] * 10 + ["test"] * 10, dtype=object)
    report = check_leaks(manifest, parts, "image", SplitConfig())
    assert report.near_count == 100
    assert report.near_pairs["distance"].tolist() == [1, 2, 2, 3, 3]


def test_pairs_are_written(tmp_path):
    root = write_class_folders(tmp_path / "data", {"a": 6, "b": 6})
    image = cell_image(1, 40)
    for name in ("a/s0_0.bmp", "b/s100_0.bmp"):  # the same picture as a/s0_1.png, in other bytes
        write_image(root / name, image)
    manifest = scan_folder(root, tmp_path / "cache")
    ids = manifest.frame["image_id"]
    parts = pd.Series(np.where(ids == "a/s0_1.png", "train", np.where(ids == "a/s0_0.bmp", "test", "validation")))
    report = check_leaks(manifest, parts, "paper", SplitConfig())
    assert report.near_count == 2
    assert len(report.identical_pairs) == 1
    report.write_pairs(tmp_path / "pairs.csv")
    table = pd.read_csv(tmp_path / "pairs.csv")
    assert table["kind"].tolist() == ["identical", "near", "near"]
    assert table.loc[0, ["image_id_left", "part_left"]].tolist() == ["b/s100_0.bmp", "validation"]
    assert table.loc[0, ["image_id_right", "part_right"]].tolist() == ["a/s0_0.bmp", "test"]


def test_the_official_folds_of_the_real_sample_share_pictures_between_subjects(tmp_path):
    """C-NMC's healthy subjects H2 and H6, H3 and H10 have cells in common, in other colours and in other folds."""
    manifest = scan_cnmc(real_data("cnmc_sample"), tmp_path)
    parts = manifest.frame["part"].map({"fold_0": "train", "fold_1": "validation", "fold_2": "test"})
    report = check_leaks(manifest, parts, "subject", SplitConfig(near_duplicates="report"))
    pairs = set(map(frozenset, report.near_pairs[["image_id_left", "image_id_right"]].to_numpy()))
    named = [("H6_1_1", "H2_1_1"), ("H6_1_2", "H2_1_2"), ("H3_1_1", "H10_1_1")]
    assert pairs == {frozenset((f"UID_{one}_hem", f"UID_{other}_hem")) for one, other in named}


PARTS = ["train", "train", "validation", "test"]


@pytest.mark.parametrize(
    ("earlier_parts", "changed", "protocol", "seen"),
    [
        (PARTS, {}, "subject", 0),
        (["train", "train", "test", "train"], {}, "image", 1),
        (["train", "train", "test", "train"], {}, "subject", 1),
        (["train", "train", "test", "validation"], {}, "subject", 1),
        # Other pictures of a person who is now tested: a leak by subject alone.
        (PARTS, {"sha256": list("wxyz"), "subject": ["1", "4", "3", "9"]}, "image", 0),
        (PARTS, {"sha256": list("wxyz"), "subject": ["1", "4", "3", "9"]}, "subject", 1),
    ],
)
def test_images_that_the_starting_point_has_seen_stop_the_run(tmp_path, earlier_parts, changed, protocol, seen):
    manifest = make_manifest(["a", "b", "a", "b"], subjects=["1", "2", "3", "4"])
    frame = manifest.frame[["image_id", "path", "label", "subject", "sha256"]].assign(**changed)
    frame.assign(part=earlier_parts).to_csv(tmp_path / "split.csv", index=False)
    if seen:
        with pytest.raises(UserError, match="on 1 of the images that evaluate this run"):
            seen_by_start(tmp_path, manifest, pd.Series(PARTS), protocol)
        assert seen_by_start(tmp_path, manifest, pd.Series(PARTS), "paper") == ("subject" not in changed)
    else:
        assert seen_by_start(tmp_path, manifest, pd.Series(PARTS), protocol) == 0


def test_a_starting_point_without_a_split_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"no split\.csv"):
        seen_by_start(tmp_path, five(), SIDES, "subject")
