"""What the papers print of their experiments, and of the data: the tables claims.csv and claims/data.csv."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from karyocyte.common.paths import ROOT
from karyocyte.evaluation.comparison.claims import read_claims, read_table

RESULTS = ROOT / "results"
TRAIN = "train"
VALIDATION = "validation"
TEST = "test"
PARTS = (TRAIN, VALIDATION, TEST)
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
class Claim:
    """A printed figure: a row of claims.csv.

    ``experiment`` is ours, "" where none repeats the paper's; an ensemble has a ``method`` and ``members``.
    ``deviation`` says in what ours deviates from the paper's, known beforehand, ``not_run`` why there is no run.
    """

    paper: str
    section: str
    experiment: str
    data: PaperData
    part: str
    metric: str  # our name of it, such as "accuracy", "recall/all", "loss", or "epoch_loss" of a mean over an epoch
    # a decimal number, "56/59" of a confusion matrix, or ">0.5" of a share that is said to be "most"; "" where the
    # paper names no figure
    printed: str
    headline: bool
    method: str
    members: tuple[str, ...]
    deviation: str
    not_run: str
    note: str

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


def printed_claims(results: Path, papers: tuple[str, ...] = ()) -> list[Claim]:
    """Return every printed figure of some papers (none named: all)."""
    data = read_data(results)
    claims = []
    for row in read_claims(results, papers).to_dict("records"):
        own_data = data[row.pop("dataset"), row.pop("split")]
        members = tuple(row.pop("members").split())
        claims.append(Claim(**row | {"data": own_data, "members": members, "headline": row["headline"] == "yes"}))
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
