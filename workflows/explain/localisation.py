"""Localisation: the heat maps of composed karyograms against the true places of their abnormalities."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from common.cli import console, say
from common.errors import UserError
from common.files import read_csv, write_csv
from common.runs.run import Run
from evaluation.examples import RIGHT, WRONG
from evaluation.renderers import frame_table
from workflows.explain.attribution import Method, scaled
from workflows.explain.heatmaps import COLOURS, maps_of, resolve_method
from workflows.explain.plots import NO_HEAT, Panel, in_rows, panel_grid
from workflows.explain.pointing import elsewhere, hottest, measure, summarise
from workflows.explain.request import TRUE, ExplainRequest
from workflows.explain.selection import SelectedImages, facts_of, select_images, target_classes

FOLDER = "localisation"  # in a run's folder
SHEETS = 4  # side by side in the figure
# Two rows of the table that agree in these are two measurements of the same thing: the newer one replaces the older.
IDENTITY = ["run", "method", "layer", "target", "group"]


def localise_runs(request: ExplainRequest) -> None:
    """Measure the localisation of each run, print the summaries, write ``<run>/localisation/<method>-<layer>.*``.

    Raises:
        UserError: The place of the abnormality is unknown for all test images.
    """
    for run in request.runs:
        selected = select_images(run, request, _abnormal_images(run, request.settings.samples))
        selected = selected.take([number for number in range(len(selected)) if selected.mask(number) is not None])
        if not len(selected):
            raise UserError(f"{run.folder}: the place of the abnormality is unknown for all test images")
        methods = [resolve_method(selected, name, layer, request) for name, layer in request.methods]
        summaries = []
        say(str(run.folder))
        for method in methods:
            summary = _measure(selected, method, request)
            console.print(frame_table(_in_per_cent(summary), f"{method.name} at {method.layer}, in per cent"))
            summaries.append(summary)
        if request.csv is not None:
            _write_table(request.csv, pd.concat(summaries, ignore_index=True))


def _abnormal_images(run: Run, samples: int | None) -> list[tuple[str, str]]:
    """Abnormal test images, one of each kind in turn, ``samples`` of them or all; without a reason to show them."""
    test = run.predictions.part("test").frame
    test = test[test["kind"].notna() & test["label"].notna()]
    ordered = test.assign(turn=test.groupby("kind").cumcount())
    # The kind of normal ones is their label.
    ordered = ordered[ordered["kind"] != ordered["label"]].sort_values(["turn", "kind"], kind="stable")
    if ordered.empty:
        raise UserError(f"{run.folder}: its test images have no kinds, so the places of abnormalities are unknown")
    return [(image_id, "") for image_id in ordered["image_id"].head(samples or len(ordered))]


def _measure(selected: SelectedImages, method: Method, request: ExplainRequest) -> pd.DataFrame:
    """Measure a method on a run's abnormal karyograms, write its table and figure, and return the summary."""
    test = selected.test
    classes = np.array(test.classes, dtype=object)
    predicted = selected.predicted
    target = request.settings.target or TRUE
    targets = target_classes(selected, target)
    rows = []
    maps = []
    places = []
    for number, heat in enumerate(maps_of(selected, targets, method)):
        mask = selected.mask(number)
        assert mask is not None  # the others were left out
        maps.append(heat)
        places.append(mask.place)
        rows.append(
            {"empty": not heat.any(), **measure(heat, mask.place, mask.chromosomes, request.settings.tolerance)}
        )
    cells = test.frame["cell"].fillna(test.frame["image_id"]).tolist()
    table = test.frame[["image_id", "label", "subject", "cell", "kind"]].assign(
        predicted=classes[predicted],
        called=predicted == test.labels,
        target=classes[targets],
        probability=test.probabilities[np.arange(len(selected)), predicted],
    )
    table = pd.concat([table, pd.DataFrame(rows), pd.DataFrame(elsewhere(maps, places, cells))], axis=1)
    path = selected.run.folder / FOLDER / f"{method.name}-{method.layer}"
    write_csv(path.with_name(f"{path.name}.csv"), table, "%.6f")
    _draw_sheets(path.with_name(f"{path.name}.png"), selected, method, table, maps)
    summary = summarise(table, test, request.evaluation)
    facts = {"method": method.name, "layer": method.layer, "target": target}
    facts = {**facts_of(selected.run, test.about), **facts}
    return pd.concat([pd.DataFrame([facts] * len(summary)), summary], axis=1)


def _in_per_cent(summary: pd.DataFrame) -> pd.DataFrame:
    """Return for the terminal a row per group: shares, their chance levels, and other sheets' places."""

    def per_cent(name: str) -> pd.Series:
        return summary[name].map(lambda share: f"{100 * share:.1f}", na_action="ignore").fillna("-")

    shown = pd.DataFrame({"group": summary["group"].str.replace("_", " "), "n": summary["images"]})
    shown["area"] = per_cent("area")
    shown["ink"] = per_cent("area_of_chromosomes")
    for name in ("pointing", "energy"):
        limits = " (" + per_cent(f"{name}_low") + "-" + per_cent(f"{name}_high") + ")"
        shown[name] = per_cent(name) + limits.where(summary[f"{name}_low"].notna(), "")
        shown[f"{name}\nof others"] = per_cent(f"{name}_elsewhere")
    return shown


def _write_table(path: Path, table: pd.DataFrame) -> None:
    """Write the summaries into a CSV table; a newer measurement of the same thing replaces the older one."""
    if path.is_file():
        earlier = read_csv(path, dtype=dict.fromkeys(IDENTITY, str))  # a target "true" is not a truth value
        if list(earlier.columns) != list(table.columns):
            raise UserError(f"{path} has other columns than this table: name another file with --csv")
        table = pd.concat([earlier, table], ignore_index=True).drop_duplicates(IDENTITY, keep="last")
    write_csv(path, table, "%.6f")


def _draw_sheets(
    path: Path, selected: SelectedImages, method: Method, table: pd.DataFrame, maps: Sequence[np.ndarray]
) -> None:
    """Draw the sheet of median energy of each kind, with its heat and the outline of the true place."""
    panels = []
    for kind, rows in table.groupby("kind", sort=True):
        order = rows["energy"].fillna(0).sort_values(kind="stable").index
        number = int(order[len(order) // 2])
        row = table.loc[number]
        heading = f"energy {row['energy']:.2f}, area {row['area']:.3f}"
        if row["empty"]:
            heading = f"{NO_HEAT} {row['target']}"
        caption = f"{str(kind).replace('_', ' ')}: {heading}\npredicted {row['predicted']} {row['probability']:.2f}"
        mask = selected.mask(number)
        assert mask is not None
        panel = Panel(
            selected.image(number),
            caption,
            RIGHT if row["called"] else WRONG,
            scaled(maps[number], method.name),
            mask.place,
            hottest(maps[number]),
        )
        panels.append(panel)
    note = (
        f"{method.name} at {method.layer} of {selected.run.network}, heat for {' or '.join(table['target'].unique())}; "
        f"of each kind the sheet of median energy; outlined: the true place; cross: the hottest point; {COLOURS}"
    )
    columns = min(SHEETS, len(panels))
    panel_grid(path, in_rows(panels, columns), [""] * columns, selected.test.about, note, wide=4.0)
