"""The karyotype of a cell by the counts of its chromosomes: normal, numerically abnormal or unclear."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

AUTOSOMES = tuple(map(str, range(1, 23)))
CHROMOSOMES = (*AUTOSOMES, "X", "Y")
MARKER = "mar"  # the class of a chromosome that is none of them, in ISCN
NORMAL: Final = "normal"
ABNORMAL: Final = "abnormal"
KARYOGRAM_SOURCES = ("karyograms", "composed_karyograms")  # data sources of whole sheets
_NUMBERED = {"23": "X", "24": "Y"}
# Complements of sex chromosomes that are viable, beside XX and XY.
SEX_ANEUPLOIDIES = ("X", "XXX", "XXY", "XYY")


Kind = Literal["normal", "trisomy", "sex_aneuploidy", "preparation_loss", "unclear"]
Label = Literal["normal", "abnormal"] | None
_Kinds = dict[tuple[int, ...], tuple[Kind, Label]]  # by the deviations of the autosomes
# One autosome less is mostly lost on the slide: such monosomies are hardly ever live-born.
_USUAL: _Kinds = {(): ("normal", NORMAL), (1,): ("trisomy", ABNORMAL), (-1,): ("preparation_loss", None)}
_KINDS: dict[str, _Kinds] = {"XX": _USUAL, "XY": _USUAL}  # by the sex chromosomes
_KINDS |= dict.fromkeys(SEX_ANEUPLOIDIES, {(): ("sex_aneuploidy", ABNORMAL)})


class Karyotype(NamedTuple):
    """A cell's karyotype by its counts: in the manner of ISCN ("47,XX,+21"), its kind, and the class of its karyogram.

    The class is None where the counts make no sure karyotype.
    """

    iscn: str
    kind: Kind
    label: Label


def class_of(text: str) -> str | None:
    """Return the class, "1" to "22", "X" or "Y", that a label or a folder's name means; None where it is none."""
    name = re.sub(r"^chr", "", text.strip(), flags=re.IGNORECASE).upper()
    if name.isdecimal():
        name = name.lstrip("0")
    name = _NUMBERED.get(name, name)
    return name if name in CHROMOSOMES else None


def name_karyotype(counts: Mapping[str, int]) -> Karyotype:
    """Name a karyotype by its counts of each class, "1" to "22", "X", "Y", and of MARKER; an absent class counts 0.

    One missing autosome is most often lost when the slide is made: it is a kind of its own, no abnormality. Two
    deviations at once, more than one chromosome too many of a class, or sex chromosomes that are not viable, are
    "unclear": such counts come from mistakes more often than from patients. So are markers: "47,XX,+mar".
    """
    sex = "X" * counts.get("X", 0) + "Y" * counts.get("Y", 0)
    deviations = {name: counts.get(name, 0) - 2 for name in AUTOSOMES if counts.get(name, 0) != 2}
    markers = counts.get(MARKER, 0)
    total = sum(counts.get(name, 0) for name in CHROMOSOMES) + markers
    changes: list[str] = []
    for name, by in deviations.items():
        changes += [f"+{name}"] * by + [f"-{name}"] * -by
    if markers:
        changes.append(f"+{markers if markers > 1 else ''}{MARKER}")
    iscn = ",".join([str(total), sex or "0", *changes])
    # A marker may be a piece of any chromosome: the cell is neither normal nor certainly abnormal.
    if markers:
        return Karyotype(iscn, "unclear", None)
    return Karyotype(iscn, *_KINDS.get(sex, {}).get(tuple(deviations.values()), ("unclear", None)))


def name_clones(clones: Mapping[str, int]) -> str:
    """Name the karyotype of a case by its clones and their numbers of cells, as ISCN does: "47,XX,+21[3]/46,XX[2]".

    The largest clone is first, the normal one last; a single clone has no number.
    """
    if len(clones) == 1:
        return next(iter(clones))
    normal = ("46,XX", "46,XY")
    ordered = sorted(clones, key=lambda iscn: (iscn in normal, -clones[iscn], iscn))
    return "/".join(f"{iscn}[{clones[iscn]}]" for iscn in ordered)


@dataclass(frozen=True)
class CellThresholds:
    """Above what a cell is referred to an expert: chosen on validation cells, and kept with a model; None: by nothing.

    ``expected_wrong`` and ``doubtful`` are numbers of its chromosomes, see ``CellKaryotype``; ``distance`` is the mean
    of ``CellResult.distances``; ``note`` says what limits their use. Defaults hold where few validation cells choose.
    Below ``alone`` a cell is referred, too: see ``CellKaryotype.least_alone``.
    """

    expected_wrong: float = 0.5
    doubtful: float | None = None
    distance: float | None = None
    note: str | None = None
    alone: float | None = None
