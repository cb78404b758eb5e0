"""Pictures of pages: the commands of a tutorial are run in an empty folder, then Chromium draws what they have written.

All of it is synthetic. The machine's own Chromium is needed.
"""

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image

from common.errors import UserError
from common.paths import ROOT
from docs.commands import TUTORIALS, commands

GAP = 40  # pixels between two pictures side by side
COLORS = 160  # of a picture, so that its file is small


@dataclass(frozen=True)
class PagePicture:
    """What a picture shows: elements of a page, side by side."""

    picture: str  # below results/
    page: str  # below the folder in which the tutorial was run
    elements: tuple[str, ...]  # CSS selectors
    width: int = 1164  # of the window, pixels


PICTURES = {
    "karyotype_a_metaphase": (
        PagePicture("metaphases/outlines.png", "metaphase_karyotypes/index.html", ("#cell-0 svg >> nth=0",)),
        PagePicture(
            "metaphases/karyogram.png",
            "metaphase_karyotypes/index.html",
            ("#cell-0 svg >> nth=0", "#cell-0 svg >> nth=1"),
        ),
    ),
    "karyotype_a_cell": (PagePicture("tutorials/karyotype.png", "karyotypes/index.html", ("#cell-0",)),),
}


def draw(results: Path) -> None:
    """Draw the pictures of all tutorials into a folder."""
    for tutorial, pictures in PICTURES.items():
        with tempfile.TemporaryDirectory() as place:
            run_tutorial(tutorial, Path(place))
            for picture in pictures:
                photograph(picture, Path(place), results / picture.picture)


def run_tutorial(name: str, folder: Path) -> None:
    """Run the commands of a tutorial in a folder that shows the code."""
    for entry in ("scripts", "train.py", ".venv"):
        (folder / entry).symlink_to(ROOT / entry)
    typed = "\n".join(commands(TUTORIALS / f"{name}.md"))
    subprocess.run(["bash", "-e"], input=typed, text=True, cwd=folder, check=True)


def photograph(picture: PagePicture, folder: Path, place: Path) -> None:
    """Draw elements of a page side by side into a PNG file."""
    from playwright.sync_api import sync_playwright

    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    if not browser_path:
        raise UserError("the pictures of pages need Chromium: install it")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": picture.width, "height": 900})
        tab.goto((folder / picture.page).as_uri())
        shots = [Image.open(BytesIO(tab.locator(element).screenshot())) for element in picture.elements]
        browser.close()
    width = sum(shot.width + GAP for shot in shots) - GAP
    joined = Image.new("RGB", (width, max(shot.height for shot in shots)), "white")
    left = 0
    for shot in shots:
        joined.paste(shot, (left, 0))
        left += shot.width + GAP
    place.parent.mkdir(exist_ok=True)
    joined.quantize(COLORS).save(place, optimize=True)
