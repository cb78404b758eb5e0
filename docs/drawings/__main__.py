"""Draw the pictures of README.md and docs/ into results/: ``python -m docs.drawings``."""

from docs.drawings import assignment
from karyocyte.common.paths import ROOT

if __name__ == "__main__":
    folder = ROOT / "results" / "explanation"
    folder.mkdir(exist_ok=True)
    assignment.draw(folder / "assignment.png")
