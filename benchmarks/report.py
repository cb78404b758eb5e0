"""How large a page of scripts/report.py is, and how soon a browser shows its pictures."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pandas as pd

from common.errors import UserError
from common.files import write_json
from common.predictions import PROBABILITY_PREFIX, Predictions, uncertainty_of, write_predictions
from common.thumbnails import HEATMAPS, THUMBNAILS, write_pictures
from datamodules.sources.synthetic_cells import SyntheticConfig, draw_image
from evaluation.report.page import Options, write_report

if TYPE_CHECKING:
    from playwright.sync_api import Browser

BROWSERS = ("chromium", "google-chrome", "chromium-browser", "google-chrome-stable")
# The sandbox needs rights that containers lack, and a test has no use for background requests of the browser.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SIDE = 160  # pixels, as of the key evaluation.examples
SUBJECTS = 100
# The page with its gallery in sight; a picture counts when it is decoded and two frames have passed.
PLACE = "#show=all"
WATCH = """window.measured = new Promise((done) => addEventListener("load", async () => {
  const frame = () => new Promise(requestAnimationFrame);
  const top = document.querySelector("#cards li").offsetTop;
  const row = [...document.querySelectorAll("#cards li")].filter((one) => one.offsetTop === top);
  const images = row.flatMap((one) => [...one.querySelectorAll("img")]);
  await Promise.all(images.map((one) => one.decode()));
  await frame(); await frame();
  const { loadEventStart } = performance.getEntriesByType("navigation")[0];
  done({ load: loadEventStart, painted: performance.now(), images: images.length });
}))"""


def find_browser() -> str | None:
    """Return the path of the machine's own Chromium or Chrome, None where there is none; none is downloaded."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def measure(folder: Path, images: int, rounds: int) -> dict[str, float]:
    """Write a run of so many drawn cells with heat maps, make its page, and open it in so many new pages of a browser.

    Returns:
        ``images``, ``pictures``, ``megabytes``, ``write_seconds`` (evaluation and drawings included), the medians
        ``load_ms`` (navigation to the load event), ``painted_ms`` (to the first row of pictures) and ``thread_ms``
        (what the page's main thread works until then, whatever else the machine does), and the slowest of each
        (``..._worst_ms``).

    Raises:
        UserError: There is no Chromium.
    """
    from playwright.sync_api import sync_playwright

    browser_path = find_browser()
    if browser_path is None:
        raise UserError(f"no browser: install one of {', '.join(BROWSERS)}")
    write_run(folder, images)
    path = folder / "report.html"
    start = time.perf_counter()
    shown = write_report([folder], path, Options(images=images))
    seconds = time.perf_counter() - start
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=browser_path, args=list(ARGUMENTS))
        times = pd.DataFrame([open_page(browser, path) for _ in range(rounds)])
        browser.close()
    row: dict[str, float] = {"images": len(shown.data["items"]), "pictures": len(shown.pictures)}
    row |= {"megabytes": path.stat().st_size / 1e6, "write_seconds": seconds}
    for name in ("load", "painted", "thread"):
        row |= {f"{name}_ms": times[name].median(), f"{name}_worst_ms": times[name].max()}
    return row


def open_page(browser: "Browser", path: Path) -> dict[str, float]:
    """Open a page with its gallery in sight; return ``load``, ``painted`` and ``thread`` in ms, see ``measure``."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.add_init_script(WATCH)
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.goto(path.resolve().as_uri() + PLACE)
    measured = page.evaluate("window.measured")
    metrics = {metric["name"]: metric["value"] for metric in session.send("Performance.getMetrics")["metrics"]}
    page.close()
    return {**measured, "thread": 1000 * metrics["TaskDuration"]}


def write_run(folder: Path, images: int) -> None:
    """Write what a run leaves of so many drawn cells of two classes: predictions, pictures and heat maps."""
    rng = np.random.default_rng(0)
    data = SyntheticConfig(source="synthetic", positive_class="all", images=images, subjects=SUBJECTS, size=SIDE)
    validation = _frame(200, "validation", rng)
    test = _frame(images, "test", rng)
    about = {"name": "drawn", "source": "synthetic", "synthetic": True, "protocol": "subject", "seed": 0}
    frame = pd.concat([validation, test], ignore_index=True)
    write_predictions(folder / "predictions.parquet", Predictions(frame, ("hem", "all"), "all", about))
    write_json(folder / "status.json", {"status": "finished"})
    drawn = (draw_image(data, number) for number in range(images))
    write_pictures(folder / THUMBNAILS, test["image_id"], drawn, SIDE)
    write_pictures(folder / HEATMAPS / "gradcam-drawn.parquet", test["image_id"], _heat(images, rng), SIDE)


def _frame(images: int, part: str, rng: np.random.Generator) -> pd.DataFrame:
    subjects = np.arange(images) % SUBJECTS
    leukaemic = subjects % 2
    share = 1 / (1 + np.exp(-rng.normal(2.0 * (2 * leukaemic - 1), 1.5)))
    frame = pd.DataFrame({"image_id": [f"{part}_{number:05d}" for number in range(images)]})
    frame["path"] = frame["image_id"] + ".bmp"
    frame["label"] = np.where(leukaemic, "all", "hem")
    frame["subject"] = [f"{part} {subject}" for subject in subjects]
    frame["part"] = part
    frame[["cell", "kind", "width", "height", "group"]] = None
    frame["uncertainty"] = uncertainty_of(np.column_stack([1 - share, share]))
    return frame.assign(**{f"{PROBABILITY_PREFIX}hem": 1 - share, f"{PROBABILITY_PREFIX}all": share})


def _heat(images: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    for _ in range(images):
        heat = cv2.resize(rng.random((7, 7), dtype=np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        coloured = cv2.applyColorMap((255 * heat.clip(0, 1)).astype(np.uint8), cv2.COLORMAP_JET)
        yield cv2.cvtColor(coloured, cv2.COLOR_BGR2RGB)
