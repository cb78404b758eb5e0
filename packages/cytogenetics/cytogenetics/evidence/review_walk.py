"""What a reader clicks and types until a picture is right.

``python -m cytogenetics.evidence.review_walk DATA CSV OUT...``: a browser opens the page of scripts/review.py for
outputs of scripts/karyotype.py, corrects each picture until its boxes and classes are those of the data set DATA,
approves it, and counts.
"""

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import typer

from cytogenetics.images.boxes import overlaps
from cytogenetics.metaphases.data.data_module import MetaphaseDataModule
from cytogenetics.review.review import open_review
from karyocyte.common.karyotype import CHROMOSOMES
from karyocyte.composition.compose import compose_config
from packages.cytogenetics.tests.review.serving import served
from tests.browser import recording_tab

LEAST = 0.5  # intersection over union of a box that is of a chromosome
ITEM = "import('./shared.js').then((shared) => JSON.stringify(shared.review.item))"
PLACE = """([x, y]) => {
  const place = new DOMPoint(x, y).matrixTransform(document.getElementById("picture").getScreenCTM());
  return [place.x, place.y];
}"""


@dataclass
class Walk:
    """What a reader did on a picture."""

    case: str
    picture: str
    classes: int = 0  # chromosomes that got another class
    removed: int = 0
    added: int = 0  # drawn boxes
    taken_in: int = 0  # boxes that were offered
    clicks: int = 0
    drags: int = 0
    keys: int = 0
    right: bool = False  # all boxes and classes in the end


class Reader:
    """A reader of one picture in a browser."""

    def __init__(self, tab: Any, walk: Walk, boxes: np.ndarray, classes: list[str]) -> None:
        self.tab, self.walk, self.boxes, self.classes = tab, walk, boxes, classes

    def state(self) -> tuple[list[str], np.ndarray, list[str | None], list[dict[str, Any]]]:
        """Return names, boxes and classes of what counts as a chromosome, and the boxes that are offered."""
        item = json_of(self.tab)
        files = {file["name"]: file["class"] for file in item["files"]}
        used = [box for box in item["boxes"] if files.get(box["name"], "none") != "none"]
        offered = [box for box in item["boxes"] if box["name"] not in files]
        corners = np.array([box["corners"] for box in used], float).reshape(-1, 4)
        return [box["name"] for box in used], corners, [files[box["name"]] for box in used], offered

    def matched(self, corners: np.ndarray) -> np.ndarray:
        """Return for each box the row of its chromosome, -1 where there is none; the best pairs first."""
        iou = overlaps(corners, self.boxes)
        rows = np.full(len(corners), -1)
        while iou.size and iou.max() >= LEAST:
            one, other = np.unravel_index(iou.argmax(), iou.shape)
            rows[one] = other
            iou[one], iou[:, other] = 0, 0
        return rows

    def settle(self) -> None:
        """Wait until the page has done what it was asked for."""
        self.tab.evaluate("import('./shared.js').then((shared) => shared.attempt(() => undefined))")

    def press(self, keys: str | list[str]) -> None:
        """Type keys."""
        for key in keys:
            self.tab.keyboard.press(key)
            self.walk.keys += 1
        self.settle()

    def select(self, name: str) -> None:
        """Click on a chromosome of the karyogram."""
        self.tab.locator(f".chromosome[title*='{name}']").first.click()
        self.walk.clicks += 1
        self.settle()

    def name(self, label: str) -> None:
        """Type a class for the selected chromosome."""
        self.press(list(label.lower()))
        if label in ("1", "2"):  # the first digit of others
            self.tab.wait_for_timeout(800)
            self.settle()

    def correct(self) -> bool:
        """Make the first correction that is needed; return whether there was one."""
        names, corners, classes, offered = self.state()
        rows = self.matched(corners)
        for name, row in zip(names, rows.tolist(), strict=True):
            if row < 0:
                self.select(name)
                self.press(["0"])
                self.walk.removed += 1
                return True
        missed = sorted(set(range(len(self.boxes))) - set(rows.tolist()))
        if missed:
            self.add(missed[0], offered)
            return True
        for name, row, label in zip(names, rows.tolist(), classes, strict=True):
            if label != self.classes[row]:
                self.select(name)
                self.name(self.classes[row])
                self.walk.classes += 1
                return True
        return False

    def add(self, row: int, offered: list[dict[str, Any]]) -> None:
        """Take in or draw the box of a chromosome that was missed, and name it."""
        before = set(self.state()[0])
        self.press(["p"])
        near = [
            box
            for box in offered
            if overlaps(np.array([box["corners"]], float), self.boxes[row : row + 1])[0, 0] >= LEAST
        ]
        if near:
            self.tab.locator("#outlines text").filter(has_text=f"{near[0]['number']}: left out").first.dispatch_event(
                "click"
            )
            self.walk.clicks += 1
            self.walk.taken_in += 1
        else:
            self.press(["a"])
            left, top, right, bottom = self.boxes[row].tolist()
            self.tab.locator("#picture").scroll_into_view_if_needed()
            self.tab.mouse.move(*self.tab.evaluate(PLACE, [left, top]))
            self.tab.mouse.down()
            self.tab.mouse.move(*self.tab.evaluate(PLACE, [right, bottom]), steps=3)
            self.tab.mouse.up()
            self.walk.drags += 1
            self.walk.added += 1
        self.settle()
        self.press(["p"])
        new = [name for name in self.state()[0] if name not in before]
        if len(new) == 1:
            self.select(new[0])
            self.name(self.classes[row])


def json_of(tab: Any) -> Any:
    """Return what the page shows."""
    return json.loads(tab.evaluate(ITEM))


def main(data: Path, csv: Path, outputs: list[Path], most: int = 30) -> None:
    """Walk through pictures until they are right, and write a row per picture."""
    module = MetaphaseDataModule(compose_config([f"data_dir={data}"], "detector"))
    truth = module.manifest.frame.set_index("image_id")
    walks: list[Walk] = []
    with recording_tab() as tab:
        tab.set_viewport_size({"width": 1280, "height": 900})
        for output in outputs:
            with served(open_review(output), Path("/tmp") / f"walk-{output.name}.jsonl", False) as address:
                tab.goto(address)
                for _ in range(len(pd.read_csv(output / "karyotypes.csv"))):
                    if len(walks) == most:
                        break
                    tab.locator(".chromosome").nth(20).wait_for()
                    case, picture = tab.inner_text("#title").split(" / ")
                    of_picture = truth.loc[picture]
                    labels = [CHROMOSOMES[label] for label in of_picture["chromosomes"]]
                    walk = Walk(case, picture)
                    reader = Reader(tab, walk, np.asarray(of_picture["boxes"], float), labels)
                    steps = 0
                    while reader.correct() and steps < 60:
                        steps += 1
                    _, corners, classes, _ = reader.state()
                    rows = reader.matched(corners)
                    walk.right = len(rows) == len(labels) and all(
                        row >= 0 and labels[row] == label for row, label in zip(rows.tolist(), classes, strict=True)
                    )
                    walks.append(walk)
                    print(asdict(walk), Counter(labels).total(), tab.inner_text("#message")[:80], flush=True)
                    reader.press(["Enter"])
    pd.DataFrame(map(asdict, walks)).to_csv(csv, index=False)


if __name__ == "__main__":
    typer.run(main)
