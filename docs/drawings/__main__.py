"""Draw the pictures of README.md and docs/ into results/: ``python -m docs.drawings``."""

from docs.drawings import assignment, few_labels, intervals, pages, stages
from karyocyte.common.paths import ROOT

if __name__ == "__main__":
    folder = ROOT / "results" / "explanation"
    folder.mkdir(exist_ok=True)
    intervals.draw(folder / "intervals.png")
    assignment.draw(folder / "assignment.png")
    stages.draw(folder / "stages.png")
    few_labels.draw(ROOT / "results" / "chromosomes" / "few_labels.png")
    pages.draw(ROOT / "results")
