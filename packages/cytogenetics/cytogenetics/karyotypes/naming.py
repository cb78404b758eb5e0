"""The karyotype of a cell by the counts of its chromosomes: normal, numerically abnormal or unclear."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from karyocyte.common.karyotype import ABNORMAL, AUTOSOMES, CHROMOSOMES, NORMAL

MARKER = "mar"  # the class of a chromosome that is none of them, in ISCN
HAPLOID = 23  # chromosomes of one set
DIPLOID = 2  # sets of a normal cell
NORMAL_KARYOTYPES = ("46,XX", "46,XY")
# Complements of sex chromosomes that are viable, beside XX and XY.
SEX_ANEUPLOIDIES = ("X", "XXX", "XXY", "XYY")


class Karyotype(NamedTuple):
    """A cell's karyotype by its counts: in the manner of ISCN ("47,XX,+21"), its kind, and the class of its karyogram.

    The class is None where the counts make no sure karyotype.
    """

    iscn: str
    kind: Literal["normal", "trisomy", "sex_aneuploidy", "preparation_loss", "unclear"]
    label: Literal["normal", "abnormal"] | None


def name_karyotype(counts: Mapping[str, int]) -> Karyotype:
    """Name a karyotype by its counts of each class, "1" to "22", "X", "Y", and of MARKER; an absent class counts 0.

    One missing autosome is most often lost when the slide is made: it is a kind of its own, no abnormality. Two
    deviations at once, more than one chromosome too many of a class, or sex chromosomes that are not viable, are
    "unclear": such counts come from mistakes more often than from patients. So are markers: "47,XX,+mar".
    Changes are relative to the nearest multiple of 23, as in ISCN: "69,XXY", "70,XXY,+21"; such a cell is "unclear".
    """
    sex = "X" * counts.get("X", 0) + "Y" * counts.get("Y", 0)
    markers = counts.get(MARKER, 0)
    total = sum(counts.get(name, 0) for name in CHROMOSOMES) + markers
    ploidy = max(1, round(total / HAPLOID))
    deviations = {name: counts.get(name, 0) - ploidy for name in AUTOSOMES if counts.get(name, 0) != ploidy}
    changes: list[str] = []
    for name, by in deviations.items():
        changes += [f"+{name}"] * by + [f"-{name}"] * -by
    if markers:
        changes.append(f"+{markers if markers > 1 else ''}{MARKER}")
    iscn = ",".join([str(total), sex or "0", *changes])
    # A marker may be a piece of any chromosome: the cell is neither normal nor certainly abnormal.
    if markers or ploidy != DIPLOID:
        return Karyotype(iscn, "unclear", None)
    if not deviations and sex in ("XX", "XY"):
        return Karyotype(iscn, "normal", NORMAL)
    if not deviations and sex in SEX_ANEUPLOIDIES:
        return Karyotype(iscn, "sex_aneuploidy", ABNORMAL)
    if sex in ("XX", "XY") and list(deviations.values()) == [1]:
        return Karyotype(iscn, "trisomy", ABNORMAL)
    # One autosome less is mostly lost on the slide: such monosomies are hardly ever live-born.
    if sex in ("XX", "XY") and list(deviations.values()) == [-1]:
        return Karyotype(iscn, "preparation_loss", None)
    return Karyotype(iscn, "unclear", None)


def name_clones(clones: Mapping[str, int]) -> str:
    """Name the karyotype of a case by its clones and their numbers of cells, as ISCN does: "47,XX,+21[3]/46,XX[2]".

    The largest clone is first, the normal one last; a single clone has no number.
    """
    if len(clones) == 1:
        return next(iter(clones))
    ordered = sorted(clones, key=lambda iscn: (iscn in NORMAL_KARYOTYPES, -clones[iscn], iscn))
    return "/".join(f"{iscn}[{clones[iscn]}]" for iscn in ordered)
