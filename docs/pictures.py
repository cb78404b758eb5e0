"""Follow the tutorials at full size, and make their pictures in results/tutorials/: ``python -m docs.pictures FOLDER``.

FOLDER is a new one, for the data and outputs of the commands (minutes); where it exists, its outputs are drawn. The
machine's own Chromium takes the pictures of pages.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from PIL import Image

from benchmarks.report import ARGUMENTS, find_browser
from benchmarks.review.serving import served
from common.cli import TYPER, examples, report_user_errors, say
from common.errors import UserError
from common.files import atomic_path
from common.paths import ROOT
from docs.commands import TUTORIALS, commands
from workflows.review.review import open_review
from workflows.review.server import Reader

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PICTURES = ROOT / "results" / "tutorials"
FOLLOWED = ("karyotype_a_cell", "own_images", "reproduce_paper_004")
LINKED = (".venv", "scripts", "train.py", "benchmarks")  # what the commands name
WIDTH = 1100  # of a figure, pixels
CARD, PAGE = (860, 700), (1280, 760)  # of a window
ROWS = 0.395  # share of the contact sheet that is shown: three lines

Folder = Annotated[Path, typer.Argument(help="A new folder, or one that this command has made.")]
app = typer.Typer(**TYPER)


@app.command(epilog=examples("python -m docs.pictures tutorials"))
@report_user_errors()
def pictures(folder: Folder) -> None:
    """Follow the tutorials in a new folder, and make their pictures."""
    if not folder.exists():
        follow(folder)
    shrink(next(folder.glob("outputs/my_network/*/seed=0/heatmaps/*.png")), PICTURES / "heatmaps.png")
    shrink(folder / "doubtful.png", PICTURES / "doubtful.png", ROWS)
    with chromium() as browser:
        page = opened(browser, folder / "karyotypes" / "index.html", CARD)
        take(page, PICTURES / "karyotype.png", "article.cell")
        page = opened(browser, folder / "reproduction" / "small_004" / "reproduction.html", CARD)
        take(page, PICTURES / "reproduction.png", "#figures table:has-text('scratch_cnn_d128,')")
        take_review(browser, folder / "karyotypes", folder / "decisions.jsonl")
    say(f"pictures in {PICTURES}")


def follow(folder: Path) -> None:
    """Run the commands of the tutorials as they are typed in a checkout."""
    folder.mkdir(parents=True)
    for name in LINKED:
        (folder / name).symlink_to(ROOT / name)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}"}
    for tutorial in FOLLOWED:
        for command in commands(TUTORIALS / f"{tutorial}.md"):
            say(command)
            subprocess.run(["bash", "-ec", command], cwd=folder, env=environment, check=True)


def shrink(picture: Path, target: Path, share: float = 1.0) -> None:
    """Write the upper share of a figure at the width of a page."""
    image = Image.open(picture).convert("RGB")
    image = image.crop((0, 0, image.width, round(share * image.height)))
    image.thumbnail((WIDTH, image.height))
    save(image, target)


def save(image: Image.Image, target: Path) -> None:
    """Write a picture in 256 colours."""
    with atomic_path(target) as temporary:
        image.quantize(256, dither=Image.Dither.NONE).save(temporary, optimize=True)


@contextmanager
def chromium() -> Iterator["Browser"]:
    """Yield the machine's browser."""
    from playwright.sync_api import sync_playwright

    path = find_browser()
    if path is None:
        raise UserError("no browser: install chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield browser
        browser.close()


def opened(browser: "Browser", file: Path, window: tuple[int, int]) -> "Page":
    """Return a page of a file in a window of so many pixels; the picture has 1.5 for each of them."""
    page = browser.new_page(viewport={"width": window[0], "height": window[1]}, device_scale_factor=1.5)
    page.goto(file.resolve().as_uri())
    return page


def take(page: "Page", target: Path, selector: str) -> None:
    """Take a picture of the first element of a page that the selector finds."""
    with atomic_path(target) as temporary:
        page.locator(selector).first.screenshot(path=temporary)
        save(Image.open(temporary).convert("RGB"), target)


def take_review(browser: "Browser", output: Path, decisions: Path) -> None:
    """Take a picture of the review page with its first cell and a selected chromosome."""
    with served(open_review(output), decisions, Reader("reader1", blind=False)) as address:
        page = browser.new_page(viewport={"width": PAGE[0], "height": PAGE[1]})
        page.goto(address)
        page.locator(".chromosome").nth(45).wait_for()
        page.wait_for_timeout(500)
        with atomic_path(PICTURES / "review.png") as temporary:
            page.screenshot(path=temporary)
            save(Image.open(temporary).convert("RGB"), PICTURES / "review.png")


if __name__ == "__main__":
    app()
