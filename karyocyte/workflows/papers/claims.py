"""What the papers print of their experiments, and of the data: the tables claims.csv and claims/."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from karyocyte.evaluation.comparison.claims import read_claims, read_table

TRAIN = "train"
VALIDATION = "validation"
TEST = "test"
PARTS = (TRAIN, VALIDATION, TEST)
# The part and our name of the metric of a claim.
HEADLINES = {
    "test_weighted_f1": (TEST, "f1_weighted"),
    "test_accuracy": (TEST, "accuracy"),
    "val_accuracy": (VALIDATION, "accuracy"),
}
# Images that a part may differ from its percentage by, since papers round the sizes of parts in various ways.
ROUNDING = 2
# Ours, of the training images, where the paper has no validation part: conf/data/hem_all.yaml draws as many.
CARVE_OUT = Fraction(1, 10)


@dataclass(frozen=True)
class PaperData:
    """The images of a paper's experiments."""

    dataset: str
    total: int
    # of all images in training, validation and test part, such as (60, 20, 20); ``sizes`` as printed
    percent: tuple[int, ...]
    sizes: tuple[int, ...]
    classes: tuple[str, ...]  # the negative and the positive class; empty beyond two classes
    public: bool

    @property
    def train(self) -> int:
        """Training images."""
        return self.sizes[0]

    def size(self, part: str) -> int:
        """Return the number of images of a part: as printed; where no part validates, after our carve-out."""
        return round(_carve_out(self.sizes)[PARTS.index(part)])

    def allows(self, part: str, images: int) -> bool:
        """Tell whether a part of so many images is as near to the paper's percentage of all as its own part is."""
        nominal = _carve_out(self.percent)[PARTS.index(part)] * self.total / 100
        return abs(images - nominal) <= max(abs(self.size(part) - nominal), Fraction(ROUNDING))


def _carve_out(parts: tuple[int, ...]) -> tuple[Fraction, ...]:
    """Take our validation part from the training part of a paper that has none."""
    train, validation, test = map(Fraction, parts)
    ours = Fraction(0) if validation else train * CARVE_OUT
    return train - ours, validation + ours, test


@dataclass(frozen=True)
class PrintedFigure:
    """A printed figure."""

    section: str
    part: str
    metric: str  # our name of it, such as "accuracy", "recall/all", "loss", or "epoch_loss" of a mean over an epoch
    # a decimal number, "56/59" of a confusion matrix, or ">0.5" of a share that is said to be "most"; "" where the
    # paper names no figure
    printed: str
    headline: bool = False

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the largest value that is the figure, rounded or truncated to its digits."""
        value = float(Fraction(self.printed.removeprefix(">")))
        if self.printed.startswith(">"):
            return value, 1.0
        if "/" in self.printed:
            return value, value
        digits = len(self.printed.partition(".")[2])
        if value == 1 and self.metric != "loss":
            digits = max(digits, 3)  # a share of 1 is printed as 1.0 beside others of three digits
        unit = 10.0**-digits
        return value - unit / 2, value + unit


@dataclass(frozen=True)
class Claim:
    """An experiment of a paper, or an ensemble of ``members``, with its printed figures, the headline first.

    ``deviation`` says in what our experiment deviates from the paper's, known beforehand.
    """

    paper: str
    experiment: str
    section: str
    data: PaperData
    figures: tuple[PrintedFigure, ...]
    method: str = ""
    members: tuple[str, ...] = ()
    deviation: str = ""


def printed_claims(results: Path, papers: tuple[str, ...] = ()) -> list[Claim]:
    """Return every experiment of some papers (none named: all) with all figures that are printed of it."""
    data = read_data(results)
    figures = read_table(results, "figures")
    per_class = read_table(results, "per_class")
    claims = []
    for row in read_claims(results, papers).to_dict("records"):
        own_data = data[row["dataset"], row["split"]]
        found = _of_claim(row, own_data.classes)
        for other in figures[figures["experiment"] == row["experiment"]].to_dict("records"):
            found.append(PrintedFigure(other["section"], other["part"], other["metric"], other["figure"]))
        for other in per_class[per_class["model"] == row["experiment"]].to_dict("records"):
            found += _of_classes(other, own_data.classes)
        found.sort(key=lambda figure: (not figure.headline, figure.section != row["section"], PARTS.index(figure.part)))
        unique: dict[tuple[str, str, str, bool], PrintedFigure] = {}
        for figure in found:  # the headline comes first, and may be printed again in its section
            unique.setdefault((figure.section, figure.part, figure.metric, "/" in figure.printed), figure)
        members = tuple(row["members"].split())
        facts = (row["paper"], row["experiment"], row["section"], own_data, tuple(unique.values()))
        claims.append(Claim(*facts, row["method"], members, row["deviation"]))
    return claims


def read_data(results: Path) -> dict[tuple[str, str], PaperData]:
    """Read what the papers print of their images, by data set and split."""
    data = {}
    for row in read_table(results, "data").to_dict("records"):
        data[row["dataset"], row["split"]] = PaperData(
            row["dataset"],
            int(row["total"]),
            tuple(map(int, row["percent"].split())),
            tuple(int(row[part]) for part in PARTS),
            tuple(row["classes"].split()),
            row["public"] == "yes",
        )
    return data


def _of_claim(row: Mapping[str, str], classes: tuple[str, ...]) -> list[PrintedFigure]:
    """Return the figures in a row of claims.csv; those beside the headline are of test images."""
    part, metric = HEADLINES[row["metric"]]
    found = [PrintedFigure(row["section"], part, metric, row["claimed"], headline=True)]
    figures = {"auc": row["auc"]}
    if classes:
        negative, positive = classes
        figures |= {f"precision/{positive}": row["precision"], f"recall/{positive}": row["recall"]}
    for name, printed in figures.items():
        if printed:
            found.append(PrintedFigure(row["section"], TEST, name, printed))
    if row["tp"]:
        shares = {positive: (row["tp"], row["fn"]), negative: (row["tn"], row["fp"])}
        for name, (right, wrong) in shares.items():
            found.append(PrintedFigure(row["section"], TEST, f"recall/{name}", f"{right}/{int(right) + int(wrong)}"))
    return found


def _of_classes(row: Mapping[str, str], classes: tuple[str, ...]) -> list[PrintedFigure]:
    """Return the figures in a row of claims/per_class.csv."""
    found = [PrintedFigure(row["section"], TEST, "f1_weighted", row["f1_weighted"])]
    for metric in ("precision", "recall"):
        for sign, name in zip(("negative", "positive"), classes, strict=True):
            found.append(PrintedFigure(row["section"], TEST, f"{metric}/{name}", row[f"{metric}_{sign}"]))
    return found
