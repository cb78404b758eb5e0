"""The reader of what the papers print of their experiments and data: results/claims.csv and claims/data.csv."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from karyocyte.common.paths import ROOT
from karyocyte.evaluation.comparison.claims import read_claims, read_table
from karyocyte.evaluation.types.result import TEST
from karyocyte.runs.predictions import VALIDATION

RESULTS = ROOT / "results"
EVIDENCE = "evidence"  # the folder of results/ with the predictions that are kept
TRAIN = "train"
PARTS = (TRAIN, VALIDATION, TEST)
SLACK = 0.03  # of the images of a part: papers round 5 % of 70,000 to 3,596


@dataclass(frozen=True)
class PaperData:
    """The images of a paper's experiments."""

    dataset: str
    total: int
    sizes: dict[str, int]  # of each of PARTS, as printed
    public: bool

    def is_whole(self, part: str, images: int) -> bool:
        """Tell whether so many images are as good as all of a part."""
        return abs(images - self.sizes[part]) <= SLACK * self.sizes[part]


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
    def number(self) -> float:
        """The printed figure."""
        return float(Fraction(self.printed.removeprefix(">")))

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the largest value that is the figure, rounded or truncated to its digits."""
        value = self.number
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
        sizes = {part: int(row[part]) for part in PARTS}
        of_paper = PaperData(row["dataset"], int(row["total"]), sizes, row["public"] == "yes")
        data[row["dataset"], row["split"]] = of_paper
    return data
