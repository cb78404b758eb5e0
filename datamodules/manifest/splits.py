"""Which images train, validate and test."""

import re
from fractions import Fraction
from math import floor

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, train_test_split

from common.config.schema import PaperSplit, SplitConfig
from common.errors import UserError
from common.karyotype import KARYOGRAM_SOURCES
from datamodules.manifest.manifest import Manifest

TRAIN = "train"
VALIDATION = "validation"
TEST = "test"
UNUSED = "unused"
PARTS = (TRAIN, VALIDATION, TEST)

_FOLD = re.compile(r"fold_(\d+)")
_FINEST = 20  # a validation share is met to a twentieth where there are subjects enough


def split(manifest: Manifest, protocol: str, split: SplitConfig, paper_split: PaperSplit | None) -> pd.Series:
    """Assign every image to a part.

    ``subject``: no subject in two parts. With given folds (parts ``fold_<n>``) the test part is fold ``split.fold`` and
    the validation part a subject-disjoint share ``split.validation`` of the rest; without, the subjects are dealt to
    ``split.folds`` folds, the test part is fold i and the validation part fold i + 1 (mod folds), or, with
    ``split.drawn_validation: share``, the share ``split.validation`` of the rest: the test parts stay the same.
    ``image``: the images are dealt to ``split.folds`` stratified folds; given folds and subjects are not looked at.
    ``paper``: a random draw of the images by ``paper_split``: floor(n * train), floor(n * validation), and the rest.

    ``split.test`` names a given part ("prelim") as the test part; the other images are then divided into train and
    validation, and ``split.fold`` only picks another draw. Every draw depends on ``split.seed`` and ``split.fold``
    alone. Images without a label are unused; so are, where folds are given and the test part is a fold, images of
    other given parts.

    Args:
        manifest: The images.
        protocol: "subject", "image" or "paper".
        split: The settings.
        paper_split: What the paper did; needed by the protocol "paper".

    Returns:
        "train", "validation", "test" or "unused" per image; the index is that of ``manifest.frame``.

    Raises:
        UserError: No image has a label; there are too few subjects or images for the split, a class is absent from a
            part, a subject is unknown, or a fold or part that is asked for does not exist; or, of karyograms, whose
            classes one case may have both, all those of a part are of one case.
    """
    frame = manifest.frame
    parts = pd.Series(UNUSED, index=frame.index, dtype=object)
    rows = frame[frame["label"].notna()]
    if rows.empty:
        raise UserError("no image has a label, so nothing can be learned: name others (data.parts, data_dir)")
    given_folds = _given_folds(rows)
    if split.test != "fold":
        test = _given_part(rows, split.test)
        parts[test.index] = TEST
        rows = rows.drop(test.index)
    elif given_folds:
        rows = _rows_of_folds(rows, given_folds)
    if protocol == "paper":
        parts[rows.index] = _paper(rows, split, paper_split)
    elif split.test != "fold":
        parts[rows.index] = _train_and_validation(rows, protocol, split)
    elif protocol == "subject" and given_folds:
        parts[rows.index] = _given_test_fold(rows, given_folds, split)
    else:
        parts[rows.index] = _folds(rows, protocol, split)
    _check_classes(frame, parts, manifest.classes, protocol)
    if protocol == "subject" and manifest.source in KARYOGRAM_SOURCES:
        _check_cases(frame, parts)
    return parts


def number_of_folds(manifest: Manifest, protocol: str, split: SplitConfig) -> int | None:
    """Return how many folds there are to test on, one after another; None where the test part is no fold."""
    if split.test != "fold" or protocol == "paper":
        return None
    given = _given_folds(manifest.frame)
    if given and protocol == "subject":
        return len(given)
    return split.folds


def _given_folds(rows: pd.DataFrame) -> dict[int, str]:
    matches = (_FOLD.fullmatch(part) for part in rows["part"].dropna().unique())
    return dict(sorted((int(match[1]), match[0]) for match in matches if match))


def _given_part(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    test = rows[rows["part"] == name]
    if test.empty:
        there = ", ".join(sorted(rows["part"].dropna().unique())) or "none"
        raise UserError(
            f"split.test={name}: no labelled image has this part (parts given: {there}); say split.test=fold"
        )
    return test


def _rows_of_folds(rows: pd.DataFrame, given: dict[int, str]) -> pd.DataFrame:
    """Return the rows of the given folds; those of other given parts (a test of its own) are left out."""
    nowhere = rows["part"].isna()
    if nowhere.any():
        first = rows.loc[nowhere, "image_id"].iloc[0]
        raise UserError(f"{nowhere.sum():,} images have no fold while others do, first {first}: give each its part")
    return rows[rows["part"].isin(given.values())]


def _paper(rows: pd.DataFrame, split: SplitConfig, paper_split: PaperSplit | None) -> np.ndarray:
    if paper_split is None:
        raise UserError(
            "protocol=paper needs data.paper_split (train and validation shares): set it, or another protocol"
        )
    if split.test != "fold":
        raise UserError(f"protocol=paper draws its own test part: say split.test=fold, not {split.test}")
    # As fractions: 0.29 * 100 is 28.999... in floating point.
    train, validation = (
        floor(Fraction(str(share)) * len(rows)) for share in (paper_split.train, paper_split.validation)
    )
    order = _by_id(rows)
    seed = _seed(split)
    if paper_split.stratify:
        labels = order["label"].to_numpy()
        _check_enough(order["label"].value_counts(), 3, "images", "protocol=paper")
        try:
            first, rest = train_test_split(np.arange(len(order)), train_size=train, stratify=labels, random_state=seed)
            second, _ = train_test_split(rest, train_size=validation, stratify=labels[rest], random_state=seed)
        except ValueError as error:  # scikit-learn's word for a part without an image of some class
            raise UserError(f"data.paper_split of {len(order)} images: {' '.join(str(error).split())}") from error
    else:
        drawn = np.random.default_rng([split.seed, split.fold]).permutation(len(order))
        first = drawn[:train]
        second = drawn[train : train + validation]
    parts = pd.Series(TEST, index=order.index, dtype=object)
    parts.iloc[first], parts.iloc[second] = TRAIN, VALIDATION
    return np.asarray(parts[rows.index].to_numpy())


def _train_and_validation(rows: pd.DataFrame, protocol: str, split: SplitConfig) -> np.ndarray:
    order = _by_id(rows)
    if protocol == "subject":
        parts = _by_subjects(order, split)
    else:
        _check_enough(order["label"].value_counts(), 2, "images", "a train and a validation part")
        numbers = np.arange(len(order))
        _, chosen = _stratified(numbers, order["label"], split)
        parts = pd.Series(np.where(np.isin(numbers, chosen), VALIDATION, TRAIN), index=order.index, dtype=object)
    return np.asarray(parts[rows.index].to_numpy())


def _stratified(numbers: np.ndarray, labels: pd.Series, split: SplitConfig) -> tuple[np.ndarray, np.ndarray]:
    try:
        train, validation = train_test_split(
            numbers, test_size=split.validation, stratify=labels, random_state=_seed(split)
        )
    except ValueError as error:  # the share of so few images is no image of some class
        raise UserError(f"split.validation={split.validation} of {len(numbers)} images: {error}") from error
    return train, validation


def _given_test_fold(rows: pd.DataFrame, given: dict[int, str], split: SplitConfig) -> np.ndarray:
    if split.fold not in given:
        there = ", ".join(map(str, given))
        raise UserError(f"split.fold={split.fold} is none of the given folds ({there}): set split.fold to one of them")
    test = rows["part"] == given[split.fold]
    parts = pd.Series(TEST, index=rows.index, dtype=object)
    rest = _by_id(rows[~test])
    parts[rest.index] = _by_subjects(rest, split)
    return np.asarray(parts.to_numpy())


def _by_subjects(rows: pd.DataFrame, split: SplitConfig) -> pd.Series:
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
    return pd.Series(np.where(np.isin(fold_of_row, chosen), VALIDATION, TRAIN), index=rows.index, dtype=object)


def _nearest_share(share: float, most: int) -> tuple[int, int]:
    """Return how many of how many folds (at most ``most``, at least one on either side) come nearest to a share."""
    choices = [(taken, folds) for folds in range(2, most + 1) for taken in range(1, folds)]
    return min(choices, key=lambda choice: (abs(Fraction(*choice) - Fraction(str(share))), choice[1]))


def _folds(rows: pd.DataFrame, protocol: str, split: SplitConfig) -> np.ndarray:
    order = _by_id(rows)
    by_subject = protocol == "subject"
    if split.fold >= split.folds:
        raise UserError(f"split.fold={split.fold} must be below split.folds={split.folds}")
    wanted = f"split.folds={split.folds}: set fewer folds"
    if by_subject:
        _check_subjects(order)
        wanted += ", or protocol=image"
    counted = order.groupby("label")["subject" if by_subject else "image_id"].nunique()
    _check_enough(counted, split.folds, "subjects" if by_subject else "images", wanted)
    fold_of_row = _deal(order, split.folds, split.seed, by_subject)
    if split.drawn_validation == "share":
        parts = pd.Series(TEST, index=order.index, dtype=object)
        rest = order[fold_of_row != split.fold]
        parts[rest.index] = _train_and_validation(rest, protocol, split)
        return np.asarray(parts[rows.index].to_numpy())
    names = np.full(split.folds, TRAIN, dtype=object)
    names[split.fold], names[(split.fold + 1) % split.folds] = TEST, VALIDATION
    return np.asarray(pd.Series(names[fold_of_row], index=order.index)[rows.index].to_numpy())


def _deal(rows: pd.DataFrame, folds: int, seed: int, by_subject: bool) -> np.ndarray:
    """Return the number of the fold of each row, int64, by scikit-learn's stratified (group) folds."""
    dealer = (StratifiedGroupKFold if by_subject else StratifiedKFold)(folds, shuffle=True, random_state=seed)
    fold_of_row = np.empty(len(rows), np.int64)
    groups = rows["subject"].to_numpy() if by_subject else None
    places = dealer.split(np.zeros(len(rows)), rows["label"].to_numpy(), groups)
    for number, (_, members) in enumerate(places):
        fold_of_row[members] = number
    return fold_of_row


def _by_id(rows: pd.DataFrame) -> pd.DataFrame:
    """Sort by image id, so that a draw does not depend on the order of a table or of a folder."""
    return rows.sort_values("image_id", kind="stable")


def _seed(split: SplitConfig) -> int:
    return int(np.random.SeedSequence([split.seed, split.fold]).generate_state(1)[0])


def _check_subjects(rows: pd.DataFrame) -> None:
    unknown = rows["subject"].isna()
    if unknown.all():
        raise UserError("protocol=subject needs subjects and none are known: name them in data, or say protocol=image")
    if unknown.any():
        first = rows.loc[unknown, "image_id"].iloc[0]
        raise UserError(
            f"protocol=subject: {unknown.sum():,} images have no subject, first {first}: name it, or say protocol=image"
        )


def _check_enough(counts: pd.Series, needed: int, things: str, wanted: str) -> None:
    for label, count in counts.items():
        if count < needed:
            raise UserError(f"class {label} has {count} {things}, {needed} are needed for {wanted}")


def _check_classes(frame: pd.DataFrame, parts: pd.Series, classes: tuple[str, ...], protocol: str) -> None:
    for part in PARTS:
        present = set(frame.loc[parts == part, "label"])
        absent = [name for name in classes if name not in present]
        if absent:
            remedy = "bring more images, or set another split.seed, split.fold, split.folds or protocol"
            raise UserError(f"protocol={protocol}: class {', '.join(absent)} is absent from the {part} part: {remedy}")


def _check_cases(frame: pd.DataFrame, parts: pd.Series) -> None:
    """One case alone tells nothing of others: intervals are drawn over cases, two at least."""
    for part in PARTS:
        cases = frame.loc[parts == part, "subject"].unique()
        if len(cases) < 2:
            found = f"protocol=subject: the {part} part has one case, {cases[0]}, two are needed"
            raise UserError(f"{found}: bring more cases, or set fewer split.folds or another split.seed")
