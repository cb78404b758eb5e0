"""Which images train, validate and test."""

import re
from collections.abc import Iterable
from fractions import Fraction
from functools import partial
from itertools import combinations
from math import ceil, floor

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, train_test_split

from datamodules.manifest.manifest import Manifest, absent_from
from datamodules.manifest.persons import parts_by_person, surplus_copies
from karyocyte.common.errors import UserError
from karyocyte.common.karyotype import KARYOGRAM_SOURCES
from karyocyte.common.text import counted
from karyocyte.config.data import SplitConfig
from karyocyte.config.sources import PaperSplit

TRAIN = "train"
VALIDATION = "validation"
TEST = "test"
UNUSED = "unused"
PARTS = (TRAIN, VALIDATION, TEST)
# What folders and given parts of data sets are usually called.
TRAIN_NAMES = ("train", "training")
VALIDATION_NAMES = ("val", "valid", "validation", "dev")
TEST_NAMES = ("test", "testing", "tst")
PART_NAMES = (*TRAIN_NAMES, *VALIDATION_NAMES, *TEST_NAMES)

_FOLD = re.compile(r"fold_(\d+)")
_FINEST = 20  # a validation share is met to a twentieth where there are enough subjects


def split(manifest: Manifest, protocol: str, split: SplitConfig, paper_split: PaperSplit | None) -> pd.Series:
    """Assign every image to a part.

    The protocol ``subject`` puts no subject in two parts. With given folds (parts ``fold_<n>``) the test part is fold
    ``split.fold`` and the validation part a subject-disjoint share ``split.validation`` of the rest; without, the
    subjects are dealt to ``split.folds`` folds, the test part is fold i and the validation part fold i + 1 (mod folds),
    or, with ``split.drawn_validation: share``, the share ``split.validation`` of the rest.
    ``image`` deals the images to ``split.folds`` stratified folds, whatever their given folds and subjects. Under both
    one copy of identical files is used, and under ``subject`` a person of several subjects is in the given part that
    holds most of the images (see `persons`). ``paper`` draws the images at random by ``paper_split``, whose
    ``rounding`` says how many.

    ``split.test`` names a given part ("prelim") as the test part; the other images are then divided into train and
    validation, unless ``split.given_validation`` names the validation part too; other given test parts stay unused, by
    their names. Every draw depends on ``split.seed``
    and ``split.fold`` alone. Images without a label are unused; so are, where folds are given and the test part is a
    fold, images of other given parts. Of a manifest of several sets each is divided by itself.

    Returns:
        "train", "validation", "test" or "unused" per image; the index is that of ``manifest.frame``.

    Raises:
        UserError: No image has a label; there are too few subjects or images, or a class or (of karyograms) a second
            case is absent from a part; a subject is unknown; or a fold or part that is asked for does not exist.
    """
    frame = manifest.frame
    if protocol == "subject":
        frame = frame.assign(part=parts_by_person(manifest))
    if protocol != "paper":
        frame = frame.drop(surplus_copies(manifest).index)
    if not manifest.sets:
        parts = _divide(frame, protocol, split, paper_split)
    else:
        divided = []
        for name, entry in manifest.sets.items():
            rows = frame[frame["group"] == name]
            if entry.train_cells is not None:
                divided.append(_by_cells(rows, entry.train_cells, split))
                continue
            try:
                divided.append(_divide(rows, protocol, split, paper_split))
            except UserError as error:
                remedy = f"data.new_set={name} data.new_cells=<number> lets cells of a small set train"
                raise UserError(f"data.sets.{name}: {error}; {remedy}") from error
        parts = pd.concat(divided)
    parts = parts.reindex(manifest.frame.index, fill_value=UNUSED)
    _check_parts(manifest, parts, protocol, "" if split.test == "fold" else "name another split.test, ")
    return parts


def _by_cells(rows: pd.DataFrame, cells: int, split: SplitConfig) -> pd.Series:
    """Let some cells train, drawn by the seed (the first of one order), and the cells of other subjects test."""
    cell_of = rows["cell"].fillna(rows["subject"])
    drawn = np.random.default_rng([split.seed, split.fold]).permutation(sorted(cell_of.unique()))[:cells]
    trains = cell_of.isin(drawn)
    known = rows["subject"].isin(rows.loc[trains, "subject"])
    return pd.Series(np.select([trains, known], [TRAIN, UNUSED], TEST), rows.index, dtype=object)


def _divide(frame: pd.DataFrame, protocol: str, split: SplitConfig, paper_split: PaperSplit | None) -> pd.Series:
    """Assign every image to a part, as `split` does, of a manifest of one set."""
    parts = pd.Series(UNUSED, index=frame.index, dtype=object)
    rows = frame[frame["label"].notna()]
    if rows.empty:
        raise UserError("no image has a label, so nothing can be learned: name others (data.parts, data_dir)")
    given_folds = _given_folds(rows)
    if split.test != "fold":
        test = _of_part(rows, "test", split.test)
        parts[rows.index[test]] = TEST
        rows = rows[~test & ~rows["part"].isin(_other_tests(rows, split))]
    elif split.given_validation is not None:
        given = f"split.given_validation={split.given_validation}"
        raise UserError(f"{given} needs a given test part: name it, split.test=<part>")
    elif given_folds:
        _check_known(rows)
        # Parts beside the folds stay unused.
        rows = rows[rows["part"].isin(given_folds.values())]
    # By image id, so that a draw does not depend on the order of a table or of a folder.
    rows = rows.sort_values("image_id", kind="stable")
    if protocol == "paper":
        drawn = _paper(rows, split, paper_split)
    elif split.given_validation is not None:
        validation = _of_part(rows, "given_validation", split.given_validation)
        drawn = np.where(validation, VALIDATION, TRAIN).astype(object)
    elif split.test != "fold":
        drawn = _train_and_validation(rows, protocol, split)
    elif protocol == "subject" and given_folds:
        drawn = _given_test_fold(rows, given_folds, split)
    else:
        drawn = _folds(rows, protocol, split)
    parts[rows.index] = drawn
    return parts


def _check_known(rows: pd.DataFrame) -> None:
    unknown = rows.loc[rows["part"].isna(), "image_id"]
    if len(unknown):
        message = f"{len(unknown):,} images have no fold while others do, first {unknown.iloc[0]}"
        raise UserError(f"{message}: give each its part")


def is_called(name: str, part_names: Iterable[str]) -> bool:
    """Tell whether a name of a part (an expression) is a word of a name, or all of it, as in "seg_test" or "TestB"."""
    words = re.split(r"[\W\d_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).casefold())
    called = re.compile(f"({'|'.join(part_names)})(set|data|images|[a-d])?")  # "TESTB" has one word
    return any(map(called.fullmatch, (*words, "".join(words))))


def _other_tests(rows: pd.DataFrame, split: SplitConfig) -> list[str]:
    """Return the given parts that are called tests and are not named by the split, where it names its test part."""
    if split.test == "fold":
        return []
    others = set(rows["part"].dropna()) - {split.test, split.given_validation}
    return sorted(name for name in others if is_called(name, TEST_NAMES))


def unused_given_parts(manifest: Manifest, protocol: str, split: SplitConfig) -> list[str]:
    """Say which given parts the split passes over: their images are divided anew, or left out.

    The protocol ``paper`` pools all images, as the paper did.
    """
    rows = manifest.frame[manifest.frame["label"].notna()]
    tests = _other_tests(rows, split)
    lines = [f"given test parts that are not used: {', '.join(tests)}"] * bool(tests)
    others = sorted(set(rows["part"].dropna()) - {split.test, split.given_validation, *tests})
    if split.test != "fold" or protocol == "subject":
        others = absent_from(_given_folds(rows).values(), others)
    if split.test != "fold" and (split.given_validation is not None or len(others) < 2):
        return lines  # what is left trains
    if protocol == "paper" or not others:
        return lines
    remedy = "set split.test and split.given_validation to them, or call them fold_<n> and set protocol=subject"
    return [*lines, f"given parts that the split passes over: {', '.join(others)}; to use them {remedy}"]


def _of_part(rows: pd.DataFrame, key: str, part: str) -> np.ndarray:
    """Which rows are of a given part; there must be some."""
    found = np.asarray(rows["part"] == part)
    if not found.any():
        given = ", ".join(sorted(rows["part"].dropna().unique())) or "none"
        remedy = {"test": "set split.test=fold, or name a given one"}.get(key, "name one of them")
        raise UserError(f"split.{key}={part}: no labelled image has this part (parts given: {given}); {remedy}")
    return found


def number_of_folds(manifest: Manifest, protocol: str, split: SplitConfig) -> int | None:
    """Return how many folds there are to test on, one after another; None where the test part is no fold."""
    if split.test != "fold" or protocol == "paper":
        return None
    given = _given_folds(manifest.frame)
    if given and protocol == "subject":
        return len(given)
    return split.folds


def _given_folds(rows: pd.DataFrame) -> dict[int, str]:
    """The given parts that are folds, by their number."""
    parts = rows["part"].dropna().unique()
    folds = {int(match[1]): part for part in parts if (match := _FOLD.fullmatch(part))}
    return dict(sorted(folds.items()))


def _paper(rows: pd.DataFrame, split: SplitConfig, paper_split: PaperSplit | None) -> np.ndarray:
    if paper_split is None:
        message = "protocol=paper needs data.paper_split (train and validation shares)"
        raise UserError(f"{message}: set it, or another protocol")
    if split.test != "fold":
        raise UserError(f"protocol=paper draws its own test part: set split.test=fold, not {split.test}")
    train, validation = paper_counts(len(rows), paper_split)
    drawn = np.random.default_rng([split.seed, split.fold]).permutation(len(rows))
    parts = np.full(len(rows), TEST, object)
    parts[drawn[:train]] = TRAIN
    parts[drawn[train : train + validation]] = VALIDATION
    return parts


def paper_counts(images: int, paper_split: PaperSplit) -> tuple[int, int]:
    """Return how many of the images train and validate; the rest tests."""
    # As fractions: 0.29 * 100 is 28.999... in floating point.
    train = Fraction(str(paper_split.train))
    validation = Fraction(str(paper_split.validation))
    if paper_split.rounding == "down":
        return floor(train * images), floor(validation * images)
    rest = images - ceil((1 - train - validation) * images)
    validating = ceil(validation / (train + validation) * rest)
    return rest - validating, validating


def _train_and_validation(rows: pd.DataFrame, protocol: str, split: SplitConfig) -> np.ndarray:
    if protocol == "subject":
        return _by_subjects(rows, split)
    _check_enough(rows["label"].value_counts(), 2, "images", "a train and a validation part")
    parts = np.full(len(rows), TRAIN, object)
    numbers = np.arange(len(rows))
    seed = int(np.random.SeedSequence([split.seed, split.fold]).generate_state(1)[0])
    try:
        _, chosen = train_test_split(numbers, test_size=split.validation, stratify=rows["label"], random_state=seed)
    except ValueError as error:  # the share of so few images is no image of some class
        raise UserError(f"split.validation={split.validation} of {len(rows)} images: {error}") from error
    parts[chosen] = VALIDATION
    return parts


def _given_test_fold(rows: pd.DataFrame, given: dict[int, str], split: SplitConfig) -> np.ndarray:
    if split.fold not in given:
        folds = ", ".join(map(str, given))
        raise UserError(f"split.fold={split.fold} is none of the given folds ({folds}): set split.fold to one of them")
    parts = np.full(len(rows), TEST, object)
    rest = (rows["part"] != given[split.fold]).to_numpy()
    parts[rest] = _by_subjects(rows[rest], split)
    return parts


def _by_subjects(rows: pd.DataFrame, split: SplitConfig) -> np.ndarray:
    """Divide rows into train and validation by subjects, each class's share as near as the subjects allow.

    The subjects are dealt to as many stratified folds as the share needs (3/10: ten), or as there are subjects of the
    rarest class; some of the folds, drawn by the seed, are the validation part.
    """
    _check_subjects(rows)
    subjects = rows.groupby("label")["subject"].nunique()
    _check_enough(subjects, 2, "subjects", "a train and a validation part (protocol=image needs no subjects)")
    taken, folds = _nearest_share(split.validation, min(_FINEST, int(subjects.min())))
    fold_of_row = _deal(rows, folds, split.seed, by_subject=True)
    chosen = np.random.default_rng([split.seed, split.fold]).permutation(folds)[:taken]
    return np.where(np.isin(fold_of_row, chosen), VALIDATION, TRAIN).astype(object)


def _nearest_share(share: float, most: int) -> tuple[int, int]:
    """Return how many of how many folds (at most ``most``, at least one on either side) come nearest to a share."""
    choices = combinations(range(1, most + 1), 2)
    return min(choices, key=lambda choice: (abs(Fraction(*choice) - Fraction(str(share))), choice[1]))


def _folds(rows: pd.DataFrame, protocol: str, split: SplitConfig) -> np.ndarray:
    if split.fold >= split.folds:
        raise UserError(f"split.fold={split.fold} must be below split.folds={split.folds}")
    by_label = rows.groupby("label")
    if protocol == "subject":
        _check_subjects(rows)
        _check_folds(by_label["subject"].nunique(), split.folds, "subject", ", or say protocol=image")
    _check_folds(by_label.size(), split.folds, "image")
    fold_of_row = _deal(rows, split.folds, split.seed, protocol == "subject")
    if split.drawn_validation == "share":
        parts = np.full(len(rows), TEST, object)
        rest = fold_of_row != split.fold
        parts[rest] = _train_and_validation(rows[rest], protocol, split)
        return parts
    names = np.full(split.folds, TRAIN, object)
    names[split.fold] = TEST
    names[(split.fold + 1) % split.folds] = VALIDATION
    return np.asarray(names[fold_of_row])


def _deal(rows: pd.DataFrame, folds: int, seed: int, by_subject: bool) -> np.ndarray:
    """Return the number of the fold of each row, int64, by scikit-learn's stratified (group) folds."""
    deal = StratifiedKFold(folds, shuffle=True, random_state=seed).split
    if by_subject:
        group_folds = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        deal = partial(group_folds.split, groups=rows["subject"].to_numpy())
    fold_of_row = np.empty(len(rows), np.int64)
    for number, (_, members) in enumerate(deal(np.zeros(len(rows)), rows["label"].to_numpy())):
        fold_of_row[members] = number
    return fold_of_row


def _check_subjects(rows: pd.DataFrame) -> None:
    unknown = rows.loc[rows["subject"].isna(), "image_id"]
    if len(unknown) == len(rows):
        raise UserError("protocol=subject needs subjects and none are known: name them in data, or say protocol=image")
    if len(unknown):
        message = f"protocol=subject: {len(unknown):,} images have no subject, first {unknown.iloc[0]}"
        raise UserError(f"{message}: name it, or say protocol=image")


def _check_enough(counts: pd.Series, needed: int, things: str, purpose: str) -> None:
    for label, count in counts.items():
        if count < needed:
            raise UserError(f"class {label} has {count} {things}, {needed} are needed for {purpose}")


def _check_folds(counts: pd.Series, folds: int, thing: str, otherwise: str = "") -> None:
    """Each fold needs some of each class; with fewer than three there would be no part to train on."""
    label, count = str(counts.idxmin()), int(counts.min())
    if count >= folds:
        return
    remedy = "bring more"
    if count >= len(PARTS):
        remedy = f"set split.folds={count}"
    elif len(counts) > 2:
        remedy += ", or leave the class out"
    needed = f"{folds} are needed for split.folds={folds}"
    raise UserError(f"class {label} has {counted(count, thing)}, {needed}: {remedy}{otherwise}")


def _check_parts(manifest: Manifest, parts: pd.Series, protocol: str, remedy: str) -> None:
    """Each part needs all classes, and of karyograms two cases: intervals are drawn over cases."""
    for part in PARTS:
        rows = manifest.frame[parts == part]
        absent = absent_from(set(rows["label"]), manifest.classes)
        if absent:
            remedy += "bring more images, or set another split.seed, split.fold, split.folds or protocol"
            raise UserError(f"protocol={protocol}: class {', '.join(absent)} is absent from the {part} part: {remedy}")
        if protocol == "subject" and manifest.source in KARYOGRAM_SOURCES and rows["subject"].nunique() < 2:
            message = f"protocol=subject: the {part} part has one case, {rows['subject'].iloc[0]}, two are needed"
            raise UserError(f"{message}: bring more cases, or set fewer split.folds or another split.seed")
