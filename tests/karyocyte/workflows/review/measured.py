"""What a review costs, and whether it loses anything: it writes ``results/review_walk.csv``.

``python -m tests.karyocyte.workflows.review.measured DATA --csv FILE`` names the karyotypes of four test cells of
DATA/chromosomes_612cells without their labels, corrects them in a browser as somebody would who knows these, approves
and prints them. Then a reader decides on synthetic cells, whose server is killed at random moments.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Annotated, Any

import pandas as pd
import typer

from datamodules.image_datamodule import ImageDataModule
from karyocyte.common.composition.compose import compose_config
from karyocyte.common.files import read_csv, write_csv, write_text
from karyocyte.common.karyotype import NORMAL, name_karyotype
from karyocyte.common.paths import ROOT
from karyocyte.common.revision import revision
from karyocyte.workflows.review.decisions import read_decisions, replay
from tests.browser import recording_tab
from tests.karyocyte.workflows.review.bundles import write_bundle
from tests.karyocyte.workflows.review.scripted import plan, review_killed, server, written

STATE = "import('./shared.js').then((shared) => shared.attempt(() => undefined).then(() => shared.review.item.files))"
SHEET = rb"/Type\s*/Page\b"


def copy_cells(data: Path, folder: Path, count: int) -> dict[str, str]:
    """Copy normal test cells of the built-in model, one of each case, under neutral names; return their classes."""
    config = compose_config(["+experiment=chromosomes", "data=chromosomes", f"data_dir={data}"])
    module = ImageDataModule(config)
    cells: dict[str, pd.DataFrame] = {}
    for _, cell in module.manifest.frame[module.parts == "test"].groupby("cell"):
        if name_karyotype(cell["label"].value_counts().to_dict()).kind == NORMAL:
            cells[cell["subject"].iloc[0]] = cell.sample(frac=1, random_state=len(cells))
    classes = {}
    for number, cell in enumerate(pd.Series(cells).sample(count, random_state=0), 1):
        for place, (path, kind) in enumerate(zip(cell["path"], cell["label"], strict=True), 1):
            name = f"cell{number}/{place:02d}{Path(path).suffix}"
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(data / path, folder / name)
            classes[name] = kind
    return classes


def correct(page: Any, classes: dict[str, str]) -> int:
    """Drag the chromosomes that are wrong to their classes, one after another; return how many were dragged."""
    for actions in range(len(classes)):
        wrong = [file["name"] for file in page.evaluate(STATE) if file["class"] != classes[file["name"]]]
        if not wrong:
            return actions
        page.locator(f".chromosome[title^='{wrong[0]}']").hover()
        page.mouse.down()
        page.locator(f"[data-kind='{classes[wrong[0]]}'] .name").hover()
        page.mouse.up()
    raise RuntimeError("not corrected")


def walk(data: Path, folder: Path, cells: int = 4) -> list[tuple[str, float, str, int]]:
    """From crops without labels to printed karyograms."""
    classes = copy_cells(data, folder / "cells", cells)
    output = folder / "out"
    before = os.times()
    command = [sys.executable, "scripts/karyotype.py", folder / "cells", "--output", output]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    computed = os.times().children_user - before.children_user
    named = perf_counter()
    predicted = read_csv(output / "chromosomes.csv", dtype=str).set_index("file")["class"].to_dict()
    with server(output) as (address, _), recording_tab() as page:
        page.goto(address)
        page.locator(".chromosome").first.wait_for()
        actions = 0
        for _ in range(cells):
            actions += correct(page, classes) + 1
            page.keyboard.press("Enter")
        page.evaluate(STATE)
        reviewed = perf_counter()
        page.goto((output / "approved" / "index.html").as_uri())
        sheets = len(re.findall(SHEET, page.pdf(prefer_css_page_size=True))) - 1  # the first one lists the cells
    approved: dict[str, str] = {}
    for state in replay(read_decisions(output / "decisions.jsonl")[0]).values():
        approved |= (state.approval and state.approval.classes) or {}
    wrong, left = (sum(found.get(name) != kind for name, kind in classes.items()) for found in (predicted, approved))
    return [
        ("karyotype.py", round(computed, 1), "CPU s", cells),
        ("review, with its start", round(reviewed - named, 1), "s", cells),
        ("review", actions, "drags and keys", cells),
        ("wrong before the review", wrong, "chromosomes", cells),
        ("wrong after it", left, "chromosomes", cells),
        ("printed", sheets, "A4 sheets", cells),
    ]


def survive(folder: Path, cells: int, kills: int) -> list[tuple[str, float, str, int]]:
    """A review whose server is killed, beside one that nothing disturbs."""
    write_bundle(folder / "killed", cells)
    states = "".join(f'<span class="state" data-stem="c{number}">prediction</span>' for number in range(cells))
    write_text(folder / "killed" / "index.html", states)
    shutil.copytree(folder / "killed", folder / "calm")
    plans = {f"c{number}": plan(number) for number in range(cells)}
    review_killed(folder / "killed", plans, kills)
    review_killed(folder / "calm", plans, kills=0)
    kept = pd.Series([(one.cell, one.action) for one in read_decisions(folder / "killed" / "decisions.jsonl")[0]])
    meant = pd.Series([(cell, step["action"]) for cell, steps in plans.items() for step in steps])
    differences = kept.value_counts().sub(meant.value_counts(), fill_value=0)
    result, calm = written(folder / "killed"), written(folder / "calm")
    return [
        ("SIGKILL of the server", kills, "kills", cells),
        ("decided", len(meant), "decisions", cells),
        ("lost", -int(differences.clip(upper=0).sum()), "decisions", cells),
        ("doubled", int(differences.clip(lower=0).sum()), "decisions", cells),
        ("result unlike that of an undisturbed review", len(set(result.items()) ^ set(calm.items())), "files", cells),
    ]


def main(data: Path, csv: Annotated[Path, typer.Option()], cells: int = 50, kills: int = 40) -> None:
    """Measure, and write a table."""
    with TemporaryDirectory() as temporary:
        rows = walk(data / "chromosomes_612cells", Path(temporary)) + survive(Path(temporary), cells, kills)
    table = pd.DataFrame(rows, columns=["measured", "value", "unit", "cells"])
    table["value"] = table["value"].map("{:g}".format)
    print(table.to_string())
    write_csv(csv, table.assign(revision=revision()))


if __name__ == "__main__":
    typer.run(main)
