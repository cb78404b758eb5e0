"""Localisation: the heat maps of composed karyograms against the true places of their abnormalities."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from common.cli import console, say
from common.errors import UserError
from common.files import write_csv
from common.runs.run import Run
from datamodules.inference.abnormality_masks import AbnormalityMask
from evaluation.error_analysis.examples import RIGHT, WRONG
from evaluation.explain.attribution import OF_INPUTS, Method, scaled
from evaluation.explain.localisation import elsewhere, hottest, measure, summarise
from evaluation.explain.plots import NO_HEAT, Panel, in_rows, panel_grid
from workflows.explain.heatmaps import COLOURS, maps_of, resolve_method
from workflows.explain.requests import LocalisationRequest, split_names
from workflows.explain.selection import SelectedImages, address, select_images, target_classes

FOLDER = "localisation"  # in a run's folder
SHEETS = 4  # side by side in the figure
# Two rows of the table that agree in these are two measurements of the same thing: the newer one replaces the older.
IDENTITY = ["run", "method", "layer", "target", "group"]


@dataclass(frozen=True, eq=False)
class LocalisationResult:
    """Heat maps of a run's abnormal karyograms, measured against the true places.

    Attributes:
        selected: The run and these karyograms.
        method: With the name of its layer.
        masks: The true places.
        maps: float, shape (H, W), 0 and more, one per karyogram.
        images: A row per karyogram, as ``evaluation.explain.localisation.summarise`` takes it.
        summary: The result of that function, with facts of the run.
    """

    selected: SelectedImages
    method: Method
    masks: list[AbnormalityMask]
    maps: list[np.ndarray]
    images: pd.DataFrame
    summary: pd.DataFrame


def localise_runs(request: LocalisationRequest) -> None:
    """Measure the localisation of each run, print the summaries, write ``<run>/localisation/<method>-<layer>.*``.

    Raises:
        UserError: See ``select_images`` and ``evaluation.explain.attribution``; or the place of the abnormality is
            unknown for all test images.
    """
    for run in request.runs:
        results = _localise(run, request)
        say(str(run.folder))
        for result in results:
            console.print(terminal_table(result))
        if request.csv is not None:
            write_table(request.csv, results)


def write_table(path: Path, results: Sequence[LocalisationResult]) -> None:
    """Write the summaries into a CSV table; a newer measurement of the same thing replaces the older one."""
    table = pd.concat([result.summary for result in results], ignore_index=True)
    if path.is_file():
        earlier = pd.read_csv(path, dtype=dict.fromkeys(IDENTITY, str))  # a target "true" is not a truth value
        if list(earlier.columns) != list(table.columns):
            raise UserError(f"{path} has other columns than this table: name another file with --csv")
        table = pd.concat([earlier, table], ignore_index=True).drop_duplicates(IDENTITY, keep="last")
    write_csv(path, table, "%.6f")


def terminal_table(result: LocalisationResult) -> Table:
    """Return for the terminal a row per group, in per cent: shares, their chance levels, and other sheets' places."""
    title = f"{result.method.name} at {result.method.layer}, in per cent"
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), title=title, title_justify="left")
    table.add_column("group")
    for name in ("n", "area", "ink", "pointing", "others", "energy", "others"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in result.summary.to_dict("records"):
        cells = [_per_cent(row, "area"), _per_cent(row, "area_of_chromosomes")]
        for name in ("pointing", "energy"):
            cells += [_per_cent(row, name, interval=True), _per_cent(row, f"{name}_elsewhere")]
        table.add_row(Text(row["group"].replace("_", " ")), str(row["images"]), *cells)
    return table


def _per_cent(row: dict[str, Any], name: str, interval: bool = False) -> str:
    if pd.isna(row[name]):
        return "-"
    text = f"{100 * row[name]:.1f}"
    if interval and pd.notna(row[f"{name}_low"]):
        text += f" ({100 * row[f'{name}_low']:.1f}-{100 * row[f'{name}_high']:.1f})"
    return text


def _localise(run: Run, request: LocalisationRequest) -> list[LocalisationResult]:
    selected = select_images(run, request.images, _abnormal_images(run, request.images.samples))
    numbers = []
    masks = []
    for number in range(len(selected)):
        mask = selected.mask(number)
        if mask is not None:
            numbers.append(number)
            masks.append(mask)
    if not masks:
        raise UserError(f"{run.folder}: the place of the abnormality is unknown for all test images")
    image = selected.image
    frame = selected.test.frame.iloc[numbers].reset_index(drop=True)
    test = replace(selected.test, frame=frame)
    selected = replace(selected, test=test, image=lambda number: image(numbers[number]))
    results = []
    for name in split_names(request.methods):
        layers: Sequence[str | None] = [None]
        if name not in OF_INPUTS:
            layers = split_names(request.layers) or [None]
        for layer in layers:
            method = resolve_method(selected, name, layer, request.settings)
            result = _measure(selected, masks, method, request)
            path = run.folder / FOLDER / f"{method.name}-{method.layer}"
            write_csv(path.with_name(f"{path.name}.csv"), result.images, "%.6f")
            _draw_sheets(result, path.with_name(f"{path.name}.png"))
            results.append(result)
    return results


def _abnormal_images(run: Run, samples: int | None) -> list[tuple[str, str]]:
    """Abnormal test images, one of each kind in turn, ``samples`` of them or all; without a reason to show them."""
    test = run.predictions.part("test").frame
    test = test[test["kind"].notna() & test["label"].notna()]
    ordered = test.assign(turn=test.groupby("kind").cumcount())
    # The kind of normal ones is their label.
    ordered = ordered[ordered["kind"] != ordered["label"]].sort_values(["turn", "kind"], kind="stable")
    if ordered.empty:
        raise UserError(f"{run.folder}: its test images have no kinds, so the places of abnormalities are unknown")
    image_ids = ordered["image_id"].tolist()
    return [(image_id, "") for image_id in image_ids[:samples]]


def _measure(
    selected: SelectedImages, masks: list[AbnormalityMask], method: Method, request: LocalisationRequest
) -> LocalisationResult:
    test = selected.test
    classes = test.classes
    predicted = selected.predicted
    targets = target_classes(selected, request.settings.target)
    maps = list(maps_of(selected, targets, method))
    rows = []
    for heat, mask in zip(maps, masks, strict=True):
        rows.append({"empty": not heat.any(), **measure(heat, mask.place, mask.chromosomes, request.tolerance)})
    cells = test.frame["cell"].fillna(test.frame["image_id"]).tolist()
    others = elsewhere(maps, [mask.place for mask in masks], cells)
    table = test.frame[["image_id", "label", "subject", "cell", "kind"]].assign(
        predicted=[classes[index] for index in predicted],
        called=predicted == test.labels,
        target=[classes[index] for index in targets],
        probability=test.probabilities[np.arange(len(selected)), predicted],
    )
    table = pd.concat([table, pd.DataFrame(rows), pd.DataFrame(others)], axis=1)
    summary = summarise(table, test, request.evaluation)
    run = selected.run
    facts = {
        "run": address(run),
        "experiment": run.config.name,
        "network": run.network,
        **{key: test.about.get(key) for key in ("protocol", "fold", "seed", "revision")},
        "method": method.name,
        "layer": method.layer,
        "target": request.settings.target,
    }
    summary = pd.concat([pd.DataFrame([facts] * len(summary)), summary], axis=1)
    return LocalisationResult(selected, method, masks, maps, table, summary)


def _draw_sheets(result: LocalisationResult, path: Path) -> None:
    """Draw the sheet of median energy of each kind, with its heat and the outline of the true place."""
    panels = []
    for _, rows in result.images.groupby("kind", sort=True):
        order = rows["energy"].fillna(0).sort_values(kind="stable").index
        panels.append(_sheet_panel(result, int(order[len(order) // 2])))
    method = result.method
    targets = " or ".join(result.images["target"].unique())
    note = (
        f"{method.name} at {method.layer} of {result.selected.run.network}, heat for {targets}; "
        f"of each kind the sheet of median energy; outlined: the true place; cross: the hottest point; {COLOURS}"
    )
    columns = min(SHEETS, len(panels))
    panel_grid(path, in_rows(panels, columns), [""] * columns, result.selected.test.about, note, wide=4.0)


def _sheet_panel(result: LocalisationResult, number: int) -> Panel:
    row = result.images.loc[number]
    heading = f"energy {row['energy']:.2f}, area {row['area']:.3f}"
    if row["empty"]:
        heading = f"{NO_HEAT} {row['target']}"
    kind = str(row["kind"]).replace("_", " ")
    caption = f"{kind}: {heading}\npredicted {row['predicted']} {row['probability']:.2f}"
    heat = result.maps[number]
    shade = scaled(heat, result.method.name)
    colour = RIGHT if row["called"] else WRONG
    place = result.masks[number].place
    return Panel(result.selected.image(number), caption, colour, shade, place, hottest(heat))
