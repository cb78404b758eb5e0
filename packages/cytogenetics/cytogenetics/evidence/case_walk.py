"""What a reader clicks and types until a case is signed.

``python -m cytogenetics.evidence.case_walk DATA CSV OUTPUT``: a browser of 1366 x 768 pixels opens the page of
scripts/review.py for an output of scripts/karyotype.py, corrects each picture until its boxes and classes are those of
the data set DATA, approves it, signs each case after its last picture, and counts. The seconds are those of the
keystroke-level model (Card, Moran and Newell 1980), without the time to look and to think.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import typer

from cytogenetics.images.boxes import assign, overlaps
from cytogenetics.metaphases.data.data_module import MetaphaseDataModule
from cytogenetics.review.review import open_review
from karyocyte.common.karyotype import CHROMOSOMES
from karyocyte.composition.compose import compose_config
from packages.cytogenetics.tests.review.serving import served
from tests.browser import recording_tab

LEAST = 0.5  # intersection over union of a box that is of a chromosome
NEAR = 0.25  # of a wrong box that is moved to a missed chromosome
OFF = 5.0  # pixels of a side from which on it is moved
KEY, POINT, PRESS, HOME = 0.28, 1.1, 0.2, 0.4  # seconds: a key, to point, a click, a hand to the mouse or back
STATE = "import('./shared.js').then(({ review }) => JSON.stringify([review.item, review.session]))"
PLACE = """([x, y]) => {
  const place = new DOMPoint(x, y).matrixTransform(document.getElementById("picture").getScreenCTM());
  return [place.x, place.y];
}"""


@dataclass
class Walk:
    """What a reader did on a case."""

    case: str
    pictures: int = 0
    approved: str = ""
    classes: int = 0  # chromosomes that got another class
    removed: int = 0
    added: int = 0  # drawn boxes
    taken_in: int = 0  # boxes that were offered
    resized: int = 0
    clicks: int = 0
    drags: int = 0
    keys: int = 0
    seconds: float = 0.0
    right: bool = True  # all boxes and classes in the end
    signed: bool = False


class Reader:
    """A reader in a browser."""

    def __init__(self, tab: Any, truth: pd.DataFrame) -> None:
        self.tab, self.truth = tab, truth
        self.walks: dict[str, Walk] = {}
        self.walk = Walk("")
        self.hand = ""
        tab.on("dialog", self.answer)

    def answer(self, dialog: Any) -> None:
        """Sign another karyotype than the predicted one."""
        self.count("keys", KEY)
        dialog.accept()

    def count(self, kind: str, seconds: float) -> None:
        """Count an action."""
        hand = "keys" if kind == "keys" else "mouse"
        self.walk.seconds += seconds + HOME * (self.hand != hand)
        self.hand = hand
        setattr(self.walk, kind, getattr(self.walk, kind) + 1)

    def settle(self) -> None:
        """Wait until the page has done what it was asked for."""
        self.tab.evaluate("import('./shared.js').then((shared) => shared.attempt(() => undefined))")

    def press(self, *keys: str) -> None:
        """Type keys."""
        for key in keys:
            self.tab.keyboard.press(key)
            self.count("keys", KEY)
        self.settle()

    def name(self, label: str) -> None:
        """Type a class for the selected chromosome."""
        self.press(*label.lower())
        if label in ("1", "2"):  # the first digit of others
            self.tab.wait_for_timeout(800)
            self.settle()

    def select(self, name: str) -> None:
        """Click on a chromosome of the karyogram."""
        self.tab.locator(f".chromosome[title^='{name}']").first.click()
        self.count("clicks", POINT + PRESS)
        self.settle()

    def drag(self, start: list[float], end: list[float]) -> None:
        """Drag from one point of the picture to another."""
        self.tab.mouse.move(*self.tab.evaluate(PLACE, start))
        self.tab.mouse.down()
        self.tab.mouse.move(*self.tab.evaluate(PLACE, end), steps=4)
        self.tab.mouse.up()
        self.count("drags", 2 * POINT + PRESS)
        self.settle()

    def state(self) -> Any:
        """Return the open item and the session."""
        return json.loads(self.tab.evaluate(STATE))

    def correct(self, boxes: np.ndarray, labels: list[str]) -> bool:
        """Make the first correction that is needed; return whether there was one."""
        item, _ = self.state()
        files = {file["name"]: file["class"] for file in item["files"]}
        used = [box for box in item["boxes"] if files.get(box["name"], "none") != "none"]
        corners = np.array([box["corners"] for box in used], float).reshape(-1, 4)
        among = overlaps(corners, boxes)
        rows = assign(among, LEAST)
        wrong = np.flatnonzero(rows < 0)
        for row in sorted({*range(len(boxes))} - {*rows.tolist()}):
            offered = [box for box in item["boxes"] if box["name"] not in files]
            near = [box for box in offered if overlaps(np.array([box["corners"]]), boxes[[row]])[0, 0] >= LEAST]
            if near:
                number = f"{near[0]['number']}: left out"
                self.tab.locator("#outlines text").filter(has_text=number).first.dispatch_event("click")
                self.count("clicks", POINT + PRESS)
                self.settle()
                self.walk.taken_in += 1
                self.name(labels[row])
            elif len(wrong) and among[wrong, row].max() >= NEAR:
                self.resize(used[wrong[among[wrong, row].argmax()]], boxes[row])
            else:
                self.press("a")
                self.drag(boxes[row, :2].tolist(), boxes[row, 2:].tolist())
                self.walk.added += 1
                self.name(labels[row])
            return True
        for box, row in zip(used, rows.tolist(), strict=True):
            if row >= 0 and files[box["name"]] == labels[row]:
                continue
            self.select(box["name"])
            self.name("0" if row < 0 else labels[row])
            self.walk.removed += row < 0
            self.walk.classes += row >= 0
            return True
        return False

    def resize(self, box: dict[str, Any], aim: np.ndarray) -> None:
        """Drag the handles of a box until it is where it has to be."""
        self.select(box["name"])
        self.walk.resized += 1
        now = np.array(box["corners"], float)
        for _ in range(2):
            off = np.abs(now - aim) > OFF
            start, end = (now[:2] + now[2:]) / 2, (now[:2] + now[2:]) / 2
            for axis in (0, 1):
                side = next((place for place in (axis, axis + 2) if off[place]), None)
                if side is not None:
                    start[axis], end[axis], now[side] = now[side], aim[side], aim[side]
            if off.any():
                self.drag(start.tolist(), end.tolist())

    def sign(self) -> bool:
        """Correct and approve the open picture, and sign its case after the last one; return whether any is left."""
        self.tab.locator(".chromosome").nth(20).wait_for()
        item, session = self.state()
        line = next(line for line in session["items"] if line["stem"] == item["stem"])
        self.walk = self.walks.setdefault(line["case"], Walk(line["case"]))
        true = self.truth.loc[line["title"].split(" / ")[1]]
        boxes, labels = np.asarray(true["boxes"], float), [CHROMOSOMES[label] for label in true["chromosomes"]]
        steps = 0
        while self.correct(boxes, labels) and steps < 80:
            steps += 1
        self.walk.right &= steps < 80
        self.walk.pictures += 1
        self.press("Enter")
        _, session = self.state()
        if all(one["state"] for one in session["items"] if one["case"] == self.walk.case):
            self.press("g")
            group = self.state()[1]["groups"][self.walk.case]
            self.walk.approved, self.walk.signed = group["approved"], bool(group["signed"])
            print(self.walk, flush=True)
        return not all(one["state"] for one in session["items"])


def main(data: Path, csv: Path, output: Path) -> None:
    """Walk through the cases of an output until they are signed, and write a row per case."""
    module = MetaphaseDataModule(compose_config([f"data_dir={data}"], "detector"))
    truth = module.manifest.frame.set_index("image_id")
    with recording_tab() as tab, TemporaryDirectory() as folder:
        tab.set_viewport_size({"width": 1366, "height": 768})
        with served(open_review(output), Path(folder) / "decisions.jsonl") as address:
            tab.goto(address)
            reader = Reader(tab, truth)
            while reader.sign():
                pass
    table = pd.DataFrame(map(asdict, reader.walks.values())).round({"seconds": 1}).sort_values("case")
    table.to_csv(csv, index=False)


if __name__ == "__main__":
    typer.run(main)
