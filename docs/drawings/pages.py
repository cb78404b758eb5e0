"""Pictures of pages: the commands of a tutorial are run in an empty folder, then Chromium draws what they have written.

All of it is synthetic. The machine's own Chromium is needed.
"""

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image

from docs.commands import TUTORIALS, commands
from karyocyte.common.errors import UserError
from karyocyte.common.paths import ROOT

SHOWN = (
    ".venv",
    "Makefile",
    "constraints.txt",
    "docs",
    "models",
    "packages",
    "pyproject.toml",
    "scripts",
    "setup.py",
    "train.py",
)
GAP = 40  # pixels between two pictures side by side
COLORS = 160  # of a picture, so that its file is small


@dataclass(frozen=True)
class PagePicture:
    """What a picture shows: elements of a page side by side, the beginning of the page, or a figure of a run."""

    picture: str  # below results/
    page: str  # HTML or PNG below the folder in which the tutorial was run, with wildcards; or what serves it
    elements: tuple[str, ...] = ()  # CSS selectors; none: the beginning of the page
    size: tuple[int, int] = (1164, 900)  # of the window, pixels


RUN = "outputs/demo/*/seed=0"
PICTURES = {
    "first_run": (
        PagePicture("demo/report.png", f"{RUN}/report.html", size=(900, 810)),
        *(
            PagePicture(f"demo/{name}.png", f"{RUN}/{name}.png")
            for name in ("confusion_matrix", "learning_curves", "roc")
        ),
    ),
    "own_images": (PagePicture("tutorials/heatmaps.png", "outputs/my_network/*/seed=0/heatmaps/gradcam-*.png"),),
    "karyotype_a_metaphase": (
        PagePicture("metaphases/outlines.png", "metaphase_karyotypes/index.html", ("#cell-0 svg >> nth=0",)),
    ),
    "karyotype_a_cell": (
        PagePicture("tutorials/karyotype.png", "karyotypes/index.html", (".cell >> nth=0",)),
        PagePicture("tutorials/review.png", "scripts/review.py karyotypes --reader reader1", size=(1280, 800)),
    ),
}


def draw(results: Path) -> None:
    """Draw the pictures of all tutorials into a folder."""
    for tutorial, pictures in PICTURES.items():
        with tempfile.TemporaryDirectory() as place:
            run_tutorial(tutorial, Path(place))
            for picture in pictures:
                picture_of(picture, Path(place), results / picture.picture)


def run_tutorial(name: str, folder: Path) -> None:
    """Run the commands of a tutorial in a folder that shows the code."""
    for entry in SHOWN:
        (folder / entry).symlink_to(ROOT / entry)
    typed = "\n".join(commands(TUTORIALS / f"{name}.md"))
    subprocess.run(["bash", "-e"], input=typed, text=True, cwd=folder, check=True)


def picture_of(picture: PagePicture, folder: Path, place: Path) -> None:
    """Write a figure, or elements of a page, as a PNG file."""
    place.parent.mkdir(exist_ok=True)
    if picture.page.startswith("scripts/"):
        words = [sys.executable, *picture.page.split()]
        with subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            image = photograph(picture, next(line for line in server.stdout if line.startswith("http")).strip())
            server.terminate()
    else:
        (page,) = folder.glob(picture.page)
        image = Image.open(page).convert("RGB") if page.suffix == ".png" else photograph(picture, page.as_uri())
    image.quantize(COLORS).save(place, optimize=True)


def photograph(picture: PagePicture, address: str) -> Image.Image:
    """Return elements of a page side by side."""
    from playwright.sync_api import sync_playwright

    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    if not browser_path:
        raise UserError("the pictures of pages need Chromium: install it")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        width, height = picture.size
        tab = browser.new_page(viewport={"width": width, "height": height})
        tab.goto(address, wait_until="networkidle")
        shots = [tab.locator(element).screenshot() for element in picture.elements] or [tab.screenshot()]
        browser.close()
    images = [Image.open(BytesIO(shot)) for shot in shots]
    width = sum(image.width + GAP for image in images) - GAP
    joined = Image.new("RGB", (width, max(image.height for image in images)), "white")
    left = 0
    for image in images:
        joined.paste(image, (left, 0))
        left += image.width + GAP
    return joined
