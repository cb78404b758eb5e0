"""Parts by the three protocols."""

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from datamodules.manifest.manifest import ImageSet
from datamodules.manifest.splits import split, unused_given_parts
from karyocyte.common.errors import UserError
from karyocyte.config.data import SplitConfig
from karyocyte.config.sources import PaperSplit
from tests.helpers.manifests import make_manifest, two_class_manifest

PAPER = PaperSplit(train=0.6, validation=0.2)
BESIDE = [("a", "p1", "prelim"), ("b", "p2", "prelim"), (None, None, "final")]


def given_folds(subjects_per_fold=10, images=3, extra=()):
    places = product(range(3), "ab", range(subjects_per_fold), range(images))
    rows = [(label, f"{label}{fold}_{subject}", f"fold_{fold}") for fold, label, subject, _ in places]
    return make_manifest(*zip(*(rows + list(extra)), strict=True))


def assert_disjoint(manifest, parts):
    sides = [set(manifest.frame.loc[parts == name, "subject"]) for name in ("train", "validation", "test")]
    assert sum(map(len, sides)) == len(set.union(*sides))


@given(
    st.lists(st.integers(1, 12), min_size=6, max_size=20),
    st.lists(st.integers(1, 12), min_size=6, max_size=20),
    st.integers(0, 5),
)
def test_subject_folds_are_disjoint_and_cover_everything_once(sizes_a, sizes_b, seed):
    rows = [
        (c, f"{c}{s}") for c, sizes in (("a", sizes_a), ("b", sizes_b)) for s, n in enumerate(sizes) for _ in range(n)
    ]
    manifest = make_manifest([label for label, _ in rows], [subject for _, subject in rows])
    tested = np.zeros(len(rows), int)
    for fold in range(3):
        parts = split(manifest, "subject", SplitConfig(folds=3, fold=fold, seed=seed), None)
        assert_disjoint(manifest, parts)
        tested += (parts == "test").to_numpy()
        following = split(manifest, "subject", SplitConfig(folds=3, fold=(fold + 1) % 3, seed=seed), None)
        assert (parts == "validation").equals(following == "test")
    assert (tested == 1).all()


@pytest.mark.parametrize("fold", range(3))
@pytest.mark.parametrize("share", [0.1, 0.2, 0.3, 0.5])
def test_a_given_fold_is_the_test_part_and_the_rest_is_divided_by_subjects(fold, share):
    manifest = given_folds()
    parts = split(manifest, "subject", SplitConfig(fold=fold, validation=share), None)
    assert ((parts == "test") == (manifest.frame["part"] == f"fold_{fold}")).all()
    assert_disjoint(manifest, parts)
    for label in ("a", "b"):
        rest = parts[(manifest.frame["label"] == label) & (parts != "test")]
        assert (rest == "validation").mean() == pytest.approx(share, abs=0.051)


@pytest.mark.parametrize(
    ("protocol", "test"),
    [("subject", "fold"), ("image", "fold"), ("paper", "fold"), ("subject", "prelim"), ("image", "prelim")],
)
def test_a_draw_does_not_depend_on_the_order_of_the_rows(protocol, test):
    extra = [(label, f"p{label}{n}", "prelim") for label in ("a", "b") for n in range(4)]
    manifest = given_folds(extra=extra)
    known = split(manifest, protocol, SplitConfig(test=test), PAPER)
    mixed = manifest.frame.sample(frac=1, random_state=3)
    again = split(type(manifest)(mixed, *list(vars(manifest).values())[1:]), protocol, SplitConfig(test=test), PAPER)
    assert again.index.equals(mixed.index)
    assert again.sort_index().equals(known)


@pytest.mark.parametrize("protocol", ["subject", "image"])
@pytest.mark.parametrize("fold", [0, 4])
def test_a_share_may_validate_in_the_next_fold_s_place(protocol, fold):
    manifest = two_class_manifest(20, 4)
    by_fold = split(manifest, protocol, SplitConfig(folds=5, fold=fold), None)
    config = SplitConfig(folds=5, fold=fold, drawn_validation="share", validation=0.125)
    by_share = split(manifest, protocol, config, None)
    assert ((by_fold == "test") == (by_share == "test")).all()
    rest = by_share != "test"
    assert (by_share[rest] == "validation").mean() == pytest.approx(0.125, abs=0.03)
    if protocol == "subject":
        assert_disjoint(manifest, by_share)


LETTERS = {"train": ".", "validation": "v", "test": "T"}


@pytest.mark.parametrize(
    ("manifest", "protocol", "test", "drawn"),
    [
        (two_class_manifest(8, 2), "subject", "fold", "..vv....TT......vvTT....TT....vv"),
        (two_class_manifest(8, 2), "paper", "fold", ".v......T......Tvv.T.vTv...TTT.v"),
        (given_folds(3, 1), "subject", "fold", "....v.TTTTTT.v...."),
        (given_folds(3, 1, [(label, "p", "prelim") for label in "ab"]), "image", "prelim", "v...v....v...v....TT"),
    ],
)
def test_a_seed_draws_the_parts_that_finished_runs_had(manifest, protocol, test, drawn):
    """Others would make their predictions impossible to repeat; scikit-learn draws as its pinned version does."""
    parts = split(manifest, protocol, SplitConfig(seed=3, fold=1, test=test), PAPER)
    assert "".join(parts.map(LETTERS)) == drawn


DIVIDED = [("a", "a0", "fold_1"), ("b", "b0", "fold_1"), ("b", "b1", "fold_1"), ("a", "a1", "fold_1")]
UNDIVIDED = [(*row[:2], None) for row in DIVIDED]
TESTED = [("a", "ta", "fold_0"), ("b", "tb", "fold_0")]
# A set with official parts: 6 images of each class train, 4 validate and 2 test.
GIVEN = ["train"] * 6 + ["val"] * 4 + ["test"] * 2
ROWS = [(label, f"{label}{number}", part) for label in "ab" for number, part in enumerate(GIVEN)]
OFFICIAL = make_manifest(*zip(*ROWS, strict=True))


@pytest.mark.parametrize(
    ("rows", "protocol", "config", "message"),
    [
        (DIVIDED[:3] + TESTED, "subject", {}, "class a has 1 subjects, 2 are needed for a train and a validation part"),
        (DIVIDED + TESTED[:1], "subject", {}, "class b is absent from the test part"),
        (DIVIDED + TESTED, "subject", {"fold": 4}, r"split.fold=4 is none of the given folds \(0, 1\)"),
        (DIVIDED + TESTED, "subject", {"test": "prelim"}, r"split.test=prelim.*parts given: fold_0, fold_1\)"),
        ([*DIVIDED, ("a", "x", None)], "subject", {}, "1 images have no fold while others do, first i00004"),
        (DIVIDED + TESTED, "paper", {}, "data.paper_split"),
        (DIVIDED + TESTED, "paper", {"test": "fold_1"}, "set split.test=fold, not fold_1"),
        (UNDIVIDED, "subject", {}, "class a has 2 subjects, 5 are needed for split.folds=5"),
        (UNDIVIDED, "subject", {"folds": 3, "fold": 3}, "split.fold=3 must be below split.folds=3"),
        (UNDIVIDED, "image", {}, "class a has 2 images, 5 are needed for split.folds=5: bring more"),
        (UNDIVIDED * 2, "image", {}, "class a has 4 images, .*: set split.folds=4$"),
        ([("a", None, None), ("b", None, None)], "subject", {}, "none are known.*protocol=image"),
        ([("a", "s", None), ("b", None, None)], "subject", {}, "1 images have no subject, first i00001"),
        (ROWS, "image", {"given_validation": "val"}, "name it, split.test=<part>"),
        (ROWS, "image", {"given_validation": "dev", "test": "test"}, "=dev: .*parts given: train, val"),
    ],
)
def test_impossible_splits_are_refused(rows, protocol, config, message):
    paper = PAPER if "test" in config else None
    with pytest.raises(UserError, match=message):
        split(make_manifest(*zip(*rows, strict=True)), protocol, SplitConfig(**config), paper)


def test_image_folds_are_stratified_and_cover_everything_once():
    manifest = make_manifest(["a"] * 70 + ["b"] * 30)
    tested = np.zeros(100, int)
    for fold in range(5):
        parts = split(manifest, "image", SplitConfig(fold=fold), None)
        assert parts.value_counts().to_dict() == {"train": 60, "validation": 20, "test": 20}
        assert (manifest.frame["label"][parts == "test"] == "b").sum() == 6
        assert (manifest.frame["label"][parts == "validation"] == "b").sum() == 6
        tested += (parts == "test").to_numpy()
    assert (tested == 1).all()


def test_the_papers_draw_depends_on_seed_and_fold_and_rounds_down():
    manifest = make_manifest(list("ab") * 50)
    draws = [split(manifest, "paper", SplitConfig(seed=s, fold=f), PAPER) for s, f in ((0, 0), (0, 1), (1, 0), (0, 0))]
    assert draws[0].equals(draws[3])
    assert not draws[0].equals(draws[1])
    assert not draws[0].equals(draws[2])
    parts = split(manifest, "paper", SplitConfig(), PaperSplit(train=0.29, validation=0.57))
    assert parts.value_counts().to_dict() == {"train": 29, "validation": 57, "test": 14}


@pytest.mark.parametrize(
    ("labels", "shares", "counts"),
    [
        pytest.param({"normal": 105, "abnormal": 41}, (0.64, 0.16), (92, 24, 30), id="paper 001, 4.1"),
        pytest.param({"normal": 376, "abnormal": 316}, (0.64, 0.16), (442, 111, 139), id="paper 001, 4.2"),
        pytest.param({"all": 7272, "hem": 3389}, (0.6, 0.2), (6396, 2132, 2133), id="paper 004, 3.1"),
    ],
)
def test_rounded_up_the_parts_are_those_of_scikit_learn_and_of_the_papers(labels, shares, counts):
    train, validation = shares
    paper = PaperSplit(train=train, validation=validation, rounding="up")
    names = [name for name, count in labels.items() for _ in range(count)]
    parts = split(make_manifest(names), "paper", SplitConfig(), paper)
    assert tuple(parts.value_counts()[["train", "validation", "test"]]) == counts
    rest, test = train_test_split(names, test_size=round(1 - train - validation, 2))
    first, second = train_test_split(rest, test_size=round(validation / (train + validation), 2))
    assert (len(first), len(second), len(test)) == counts


@pytest.mark.parametrize("protocol", ["subject", "image"])
def test_a_given_part_can_be_the_test_part(protocol):
    manifest = given_folds(extra=BESIDE)
    parts = split(manifest, protocol, SplitConfig(test="prelim"), None)
    assert ((parts == "test") == (manifest.frame["part"] == "prelim")).all()
    assert parts.iloc[-1] == "unused"
    assert (parts == "validation").sum() == pytest.approx(0.2 * 180, abs=3)
    if protocol == "subject":
        assert_disjoint(manifest, parts)


@pytest.mark.parametrize("protocol", ["subject", "image", "paper"])
def test_other_given_parts_are_unused_where_folds_are_given(protocol):
    parts = split(given_folds(extra=BESIDE), protocol, SplitConfig(), PAPER)
    assert ((parts == "unused") == ([False] * 180 + [True] * 3)).all()


def test_a_part_of_karyograms_has_two_cases_at_least():
    """With what is derived one case has both classes, so that no class is absent from its part."""
    cases = [case for case in "abcdef" for _ in range(2)]
    manifest = replace(make_manifest(["normal", "abnormal"] * 6, cases), source="composed_karyograms")
    split(manifest, "subject", SplitConfig(folds=3), None)
    few = replace(manifest, frame=manifest.frame.iloc[:10].reset_index(drop=True))
    said = r"protocol=subject: the (train|validation|test) part has one case, \w, two are needed: bring more cases"
    for fold in range(3):
        with pytest.raises(UserError, match=said):
            split(few, "subject", SplitConfig(folds=3, fold=fold), None)
    split(few, "image", SplitConfig(folds=3), None)
    split(replace(few, source="chromosomes"), "subject", SplitConfig(folds=5), None)


@pytest.mark.parametrize("seed", range(3))
def test_other_cells_of_a_patient_whose_cell_trains_test_nothing(seed):
    manifest = make_manifest(["a", "b"] * 46, [f"patient {number // 4}" for number in range(92)])
    cells = pd.Series([f"cell {number // 2}" for number in range(92)])  # two of each patient
    groups = pd.Series(["old"] * 80 + ["new"] * 12)
    manifest = replace(manifest, frame=manifest.frame.assign(cell=cells, group=groups))
    sets = {"old": ImageSet(1.0, upright=True), "new": ImageSet(1.0, upright=True, train_cells=1)}
    parts = split(replace(manifest, sets=sets), "subject", SplitConfig(seed=seed), None)[80:]
    by_patient = parts.groupby(manifest.frame["subject"]).unique().map(sorted).tolist()
    assert sorted(by_patient) == [["test"], ["test"], ["train", "unused"]]


@pytest.mark.parametrize("protocol", ["subject", "image"])
def test_given_validation_and_test_parts_are_used_as_they_are(protocol):
    config = SplitConfig(test="test", given_validation="val")
    parts = split(OFFICIAL, protocol, config, None)
    assert parts.tolist() == OFFICIAL.frame["part"].replace("val", "validation").tolist()
    assert unused_given_parts(OFFICIAL, protocol, config) == []


@pytest.mark.parametrize("protocol", ["subject", "image", "paper"])
def test_further_copies_of_a_file_are_unused_but_by_the_paper(protocol):
    labels, persons = ["a", "b"] * 12, [str(number // 2) for number in range(24)]
    manifest = make_manifest(labels, persons, sha256=["copied", *map(str, range(1, 22)), "copied", "23"])
    parts = split(manifest, protocol, SplitConfig(), PAPER if protocol == "paper" else None)
    assert [parts[row] == "unused" for row in (0, 22)] == [False, protocol != "paper"]


def test_a_second_test_part_trains_only_by_its_name():
    manifest = replace(OFFICIAL, frame=OFFICIAL.frame.replace({"part": {"val": "TestB", "test": "TestA"}}))
    config = SplitConfig(test="TestA")
    parts = split(manifest, "image", config, None)
    assert parts[manifest.frame["part"] == "TestB"].unique().tolist() == ["unused"]
    assert unused_given_parts(manifest, "image", config) == ["given test parts that are not used: TestB"]
    named = split(manifest, "image", SplitConfig(test="TestA", given_validation="TestB"), None)
    assert "unused" not in set(named)


@pytest.mark.parametrize(
    ("manifest", "protocol", "keys", "named"),
    [
        (OFFICIAL, "subject", {}, "over: test, train, val;"),
        (OFFICIAL, "image", {"test": "test"}, "over: train, val;"),
        (given_folds(), "image", {}, "over: fold_0, fold_1, fold_2;"),
        (given_folds(extra=[("a", "s", "prelim")]), "subject", {}, "over: prelim;"),
        (given_folds(extra=[("a", "s", "prelim")]), "subject", {"test": "prelim"}, None),
        (given_folds(), "subject", {}, None),
        (OFFICIAL, "paper", {}, None),
    ],
)
def test_given_parts_that_are_passed_over_are_named(manifest, protocol, keys, named):
    lines = unused_given_parts(manifest, protocol, SplitConfig(**keys))
    assert lines == [] if named is None else named in lines[0]
