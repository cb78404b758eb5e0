"""What a review of cells results in: the folder ``approved``, which is made of the decisions alone."""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PureWindowsPath

import numpy as np
import pandas as pd

from cytogenetics.review.cell_bundle import NO_CHROMOSOME, ReviewBundle, ReviewedCell, write_picture
from cytogenetics.review.decisions import CLASSES, CellDecisions, Decision, Decisions
from cytogenetics.review.drawn import strip_with_drawn, with_drawn
from cytogenetics.review.reviewed_case import ReviewedCase
from cytogenetics.synthesis.assigned_karyogram import draw_karyogram
from karyocyte.common.files import safe_stems, write_csv, write_text
from karyocyte.evaluation.pages.rendering import render

FOLDER = "approved"
CASE_COLUMNS = ["case", "karyotype", "cells", "left_out", "reader", "time", "report"]
COLUMNS = ["case", "cell", "karyotype", "reader", "time", "changes", "note", "karyogram"]
TALLEST = 260  # pixels of the largest chromosome of a karyogram


@dataclass(frozen=True)
class Approved:
    """A cell that a reader has approved; ``karyogram`` is the name of its picture."""

    stem: str
    cell: ReviewedCell
    approval: Decision
    decisions: CellDecisions
    karyogram: str

    @property
    def classes(self) -> dict[str, str]:
        """The class of each file."""
        return self.approval.classes or {}

    @property
    def files(self) -> dict[str, list[str]]:
        """The files of each class: the numbers of their boxes, or else their names without folder and ending."""
        files: dict[str, list[str]] = {}
        for name, kind in sorted(self.classes.items(), key=lambda file: CLASSES.index(file[1])):
            files.setdefault(kind, []).append(str(self.cell.numbers.get(name) or PureWindowsPath(name).stem))
        return files

    @property
    def unused(self) -> list[str]:
        """What the model has left out, but for what the reader has taken in."""
        taken = tuple(f"{name}: " for name in self.classes)
        return [text for text in self.cell.left_out if not text.startswith(taken)]

    @property
    def changes(self) -> list[str]:
        """What the reader has changed of the prediction."""
        changes = []
        resized = [one.image for one in self.decisions.actions if one.action == "resize"]
        for file in self.cell.files:
            shown = Path(self.cell.shown(file.name)).name
            if (kind := self.classes[file.name]) != (file.assigned or NO_CHROMOSOME):
                before = f"{file.assigned} to" if file.assigned else "added,"
                changes.append(f"{shown}: {before} {kind}")
            if file.name in self.decisions.turned:
                changes.append(f"{shown}: turned")
            if file.name in resized:
                changes.append(f"{shown}: box changed")
        return changes

    @property
    def row(self) -> tuple[str | None, ...]:
        """The values of COLUMNS."""
        one = self.approval
        named = (self.cell.case, self.cell.name, one.to, one.reader, one.time, "; ".join(self.changes))
        return (*named, self.decisions.note, self.karyogram)

    def draw(self, bundle: ReviewBundle) -> np.ndarray:
        """Draw the karyogram as it was approved, uint8 RGB; what is no chromosome is left out."""
        strip = strip_with_drawn(bundle, self.stem, self.cell)
        images = np.stack(np.split(strip, len(self.cell.files), axis=1))
        turned = np.isin(self.cell.names, list(self.decisions.turned))
        images[turned] = images[turned, ::-1, ::-1]
        kinds = np.array([self.classes[name] for name in self.cell.names])
        kept = kinds != NO_CHROMOSOME
        pictures = np.repeat(images[kept, :, :, None], 3, axis=3)
        return draw_karyogram(pictures, kinds[kept].tolist(), [""] * len(pictures), TALLEST / images.shape[1]).pixels


def publish(bundle: ReviewBundle, states: Decisions, folder: Path) -> None:
    """Write the folder, each file whole.

    The time of a picture is that of its approval: then it is there already.
    """
    approved = _approved(bundle, states)
    folder.mkdir(exist_ok=True)
    for one in approved:
        picture = folder / one.karyogram
        time = round(datetime.fromisoformat(one.approval.time).timestamp() * 1e3) * 10**6  # nanoseconds
        if not picture.is_file() or picture.stat().st_mtime_ns != time:
            beside = folder / f".{one.karyogram}"
            write_picture(beside, one.draw(bundle))
            os.utime(beside, ns=(time, time))
            beside.replace(picture)
    reports = _publish_cases(bundle, states, folder, approved)
    values = {"approved": approved, "cells": bundle.index.cells, "states": states, "reports": reports}
    write_text(folder / "index.html", render("cytogenetics.review", "approved.html.j2", **values))
    write_csv(folder / "approved.csv", pd.DataFrame([one.row for one in approved], columns=COLUMNS))
    kept = {folder / name for name in ("index.html", *reports["report"], *(one.karyogram for one in approved))}
    for left in {*folder.glob("*.png"), *folder.glob("*.html"), *folder.glob(".*")} - kept:
        left.unlink()


def _publish_cases(bundle: ReviewBundle, states: Decisions, folder: Path, approved: list[Approved]) -> pd.DataFrame:
    """Write a report of each case that a reader has signed, and their table, which is returned."""
    signed = _signed_cases(bundle, states)
    rows = []
    for (case, one), stem in zip(signed, safe_stems(["index", *(case.name for case, _ in signed)])[1:], strict=True):
        sheets = [sheet for sheet in approved if sheet.approval.reader == case.reader and sheet.stem in case.states]
        sheets.sort(key=lambda sheet: bundle.doubts[sheet.stem])
        values = {"case": case, "sheets": sheets, "output": os.path.relpath(bundle.output, folder.absolute())}
        report = f"{stem}.html"
        write_text(folder / report, render("cytogenetics.review", "case.html.j2", bundle=bundle, **values))
        named = case.named
        rows.append((case.name, named.iscn, named.cells, named.not_clonal, one.reader, one.time, report))
    table = pd.DataFrame(rows, columns=CASE_COLUMNS)
    write_csv(folder / "cases.csv", table)
    return table


def _signed_cases(bundle: ReviewBundle, states: Decisions) -> list[tuple[ReviewedCase, Decision]]:
    """Return the cases that a reader has signed, by case and reader."""
    readers = sorted({reader for reader, _ in states})
    cases = [ReviewedCase.of(bundle, states, reader, name) for name in bundle.cases for reader in readers]
    return [(case, case.signature) for case in cases if case.signature]


def _approved(bundle: ReviewBundle, states: Decisions) -> list[Approved]:
    places = {stem: place for place, stem in enumerate(bundle.stems)}
    keys = sorted((places[stem], reader, stem) for reader, stem in states if stem in places)
    approved = []
    for (_, reader, stem), name in zip(keys, safe_stems(f"{stem}.{reader}" for _, reader, stem in keys), strict=True):
        approval, cell = states[reader, stem].approval, with_drawn(bundle, stem, states[reader, stem])
        if approval and set(cell.names) == (approval.classes or {}).keys():
            approved.append(Approved(stem, cell, approval, states[reader, stem], f"{name}.png"))
    return approved
