"""Takes the pictures of results/demo from a finished run of ``make demo``: ``python -m docs.demo RUN``."""

from pathlib import Path
from typing import Annotated

import typer
from PIL import Image

from common.cli import TYPER, examples, report_user_errors, say
from common.files import atomic_path
from common.paths import ROOT
from docs.pictures import chromium, save

PICTURES = ROOT / "results" / "demo"
FIGURES = ("confusion_matrix", "examples", "learning_curves", "roc")
WINDOW = (900, 760)  # of the head of the report, with its tiles
Run = Annotated[Path, typer.Argument(metavar="RUN", help="Its folder, which holds report.html.")]

app = typer.Typer(**TYPER)


@app.command(epilog=examples("python -m docs.demo outputs/resnet50_cut_block5/subject-fold0-abc/seed=0"))
@report_user_errors()
def demo(run: Run) -> None:
    """Copy the figures of a run of the demo, and take a picture of the head of its report."""
    for name in FIGURES:
        save(Image.open(run / f"{name}.png").convert("RGB"), PICTURES / f"{name}.png")
    with chromium() as browser, atomic_path(PICTURES / "report.png") as temporary:
        page = browser.new_page(viewport={"width": WINDOW[0], "height": WINDOW[1]})
        page.goto((run / "report.html").resolve().as_uri())
        page.screenshot(path=temporary)
        save(Image.open(temporary).convert("RGB"), PICTURES / "report.png")
    say(f"pictures in {PICTURES}")


if __name__ == "__main__":
    app()
