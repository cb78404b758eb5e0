"""What scripts/explain.py joins to hold heat maps of composed karyograms to the true places of their abnormalities."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from common.cli import warn
from common.config.schema import EvaluationConfig
from common.errors import UserError
from common.files import write_csv
from common.predictions import read_predictions
from evaluation.error_analysis.examples import RIGHT, WRONG
from evaluation.explain.attribution import OF_INPUTS, Method, heat_maps, resolve, scaled
from evaluation.explain.localisation import elsewhere, hottest, measure, summarise
from evaluation.explain.plots import NONE, Panel, in_rows, panel_grid
from workflows.explain.activations import model_of
from workflows.explain.heatmaps import COLOURS, cautions, shown
from workflows.explain.selection import Looked, Wish, look, targets

FOLDER = "localisation"  # in a run's folder
SHEETS = 4  # side by side in the figure
# Two rows of the table that agree in these are two measurements of the same thing: the newer one stays.
IDENTITY = ["run", "method", "layer", "target", "group"]


@dataclass(eq=False)
class Held:
    """Heat maps of a run's abnormal karyograms, held to the truth.

    Attributes:
        looked: The run and those karyograms.
        method: With the name of its layer.
        images: A row per karyogram, as ``evaluation.explain.localisation.summarise`` takes it.
        summary: What that function returns, with facts of the run.
        heats: float, shape (H, W), 0 and more, a map each.
    """

    looked: Looked
    method: Method
    images: pd.DataFrame
    summary: pd.DataFrame
    heats: list[np.ndarray]


def wishes(wish: Wish, methods: str, layers: str) -> list[Wish]:
    """Return a wish per method and layer, both named in one word parted by commas; no layer is the last with maps."""
    names = [name.strip() for name in layers.split(",") if name.strip()] or [None]
    return [
        replace(wish, method=method.strip(), layer=layer)
        for method in methods.split(",")
        for layer in (names if method.strip() not in OF_INPUTS else [None])
    ]


def hold(folder: Path, wishes: Sequence[Wish], tolerance: float, settings: EvaluationConfig) -> list[Held]:
    """Hold the heat maps of a run to the truth, and write ``<run>/localisation/<method>-<layer>.csv`` and ``.png``.

    Args:
        folder: The run.
        wishes: Methods and layers; all ask for the same images.
        tolerance: See ``evaluation.explain.localisation.measure``.
        settings: Of the intervals.

    Raises:
        UserError: See ``look`` and ``evaluation.explain.attribution``; and no test image has a place that is known.
    """
    looked = look(folder, wishes[0], _with_truth(folder, wishes[0]))
    truths = [looked.truth(number) for number in range(len(looked))]
    known = [number for number, truth in enumerate(truths) if truth is not None]
    if not known:
        raise UserError(f"{folder}: of no test image is it known where the abnormality lies")
    frame = looked.test.frame.iloc[known].reset_index(drop=True)
    image = looked.image
    why = [looked.why[number] for number in known]
    looked = replace(
        looked,
        test=replace(looked.test, frame=frame),
        why=why,
        image=lambda number: image(known[number]),
        truth=lambda number: truths[known[number]],
    )
    held = []
    for wish in wishes:
        one = _hold(looked, wish, tolerance, settings)
        path = folder / FOLDER / f"{one.method.name}-{one.method.layer}"
        write_csv(path.with_name(f"{path.name}.csv"), one.images, "%.6f")
        draw_sheets(one, path.with_name(f"{path.name}.png"))
        held.append(one)
    return held


def write_table(path: Path, held: Sequence[Held]) -> None:
    """Put the summaries into a CSV table; a newer measurement of the same thing replaces the older one."""
    table = pd.concat([one.summary for one in held], ignore_index=True)
    if path.is_file():
        before = pd.read_csv(path, dtype=dict.fromkeys(IDENTITY, str))  # a target "true" is no truth value
        if list(before.columns) != list(table.columns):
            raise UserError(f"{path} has other columns than this table: name another file with --csv")
        table = pd.concat([before, table], ignore_index=True).drop_duplicates(IDENTITY, keep="last")
    write_csv(path, table, "%.6f")


def terminal_table(held: Held) -> Table:
    """Draw for the terminal a row per group: shares in per cent, and what chance and other sheets' places reach."""
    title = f"{held.method.name} at {held.method.layer}, in per cent"
    result = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), title=title, title_justify="left")
    result.add_column("group")
    for name in ("n", "area", "ink", "pointing", "others", "energy", "others"):
        result.add_column(name, justify="right", no_wrap=True)
    for row in held.summary.to_dict("records"):
        shares = ("pointing", "pointing_elsewhere", "energy", "energy_elsewhere")
        chance = [_per_cent(row[name]) for name in ("area", "area_of_chromosomes")]
        cells = [_per_cent(row[name], *_ends(row, name)) for name in shares]
        result.add_row(Text(row["group"].replace("_", " ")), str(row["images"]), *chance, *cells)
    return result


def draw_sheets(held: Held, path: Path) -> None:
    """Draw of each kind the sheet whose energy is the median of those, the place outlined and the heat laid over."""
    panels = []
    for kind, rows in held.images.groupby("kind", sort=True):
        order = rows["energy"].fillna(0).sort_values(kind="stable").index
        number = int(order[len(order) // 2])
        row = held.images.loc[number]
        truth = held.looked.truth(number)
        if row["empty"]:
            said = f"{NONE} {row['target']}"
        else:
            said = f"energy {row['energy']:.2f}, area {row['area']:.3f}"
        called = f"called {row['predicted']} {row['probability']:.2f}"
        caption = f"{str(kind).replace('_', ' ')}: {said}\n{called}"
        if row["called"]:
            colour = RIGHT
        else:
            colour = WRONG
        heat = held.heats[number]
        shade = scaled(heat, held.method.name)
        point = hottest(heat)
        panels.append(Panel(held.looked.image(number), caption, colour, shade, truth.place, point))
    method = held.method
    speaks_for = " or ".join(dict.fromkeys(held.images["target"]))
    note = (
        f"{method.name} at {method.layer} of {held.looked.run.network}, heat for {speaks_for}; "
        f"of each kind the sheet of median energy; outlined: the true place; cross: the hottest point; {COLOURS}"
    )
    columns = min(SHEETS, len(panels))
    panel_grid(path, in_rows(panels, columns), [""] * columns, held.looked.test.about, note, wide=4.0)


def _with_truth(folder: Path, wish: Wish) -> list[tuple[str, str]]:
    """Abnormal test images, kind after kind in turn, ``wish.samples`` of them where that is said."""
    test = read_predictions(folder).part("test").frame
    test = test[test["kind"].notna() & test["label"].notna()]
    turn = test.groupby("kind").cumcount()
    ordered = test.assign(turn=turn)
    # The normal ones have a kind as well, and no place; they drop out where the truth is read.
    ordered = ordered[ordered["kind"] != ordered["label"]].sort_values(["turn", "kind"], kind="stable")
    if not len(ordered):
        raise UserError(f"{folder}: its test images have no kinds, so where an abnormality lies is not known")
    names = ordered["image_id"].tolist()
    return [(name, "") for name in (names[: wish.samples] if wish.samples else names)]


def _hold(looked: Looked, wish: Wish, tolerance: float, settings: EvaluationConfig) -> Held:
    model = model_of(looked.run)
    classes = looked.test.classes
    method = resolve(wish.method, wish.layer, model, looked.image(0), wish.windows, wish.steps)
    warn(*cautions(looked.run, method))
    wanted = targets(looked, wish.target)
    images = (looked.image(number) for number in range(len(looked)))
    what = f"{looked.run.config.name}, {method.name}"
    heats = list(shown(heat_maps(model, images, wanted, method), len(looked), what))
    truths = [looked.truth(number) for number in range(len(looked))]
    found = [
        {"empty": not heat.any(), **measure(heat, truth.place, truth.chromosomes, tolerance)}
        for heat, truth in zip(heats, truths, strict=True)
    ]
    frame = looked.test.frame
    others = elsewhere(heats, [truth.place for truth in truths], frame["cell"].fillna(frame["image_id"]).tolist())
    table = frame[["image_id", "label", "subject", "cell", "kind"]].assign(
        predicted=[classes[index] for index in looked.called],
        called=looked.called == looked.test.labels,
        target=[classes[index] for index in wanted],
        probability=looked.test.probabilities[np.arange(len(looked)), looked.called],
    )
    table = pd.concat([table, pd.DataFrame(found), pd.DataFrame(others)], axis=1)
    summary = summarise(table, looked.test, settings)
    facts = _facts(looked, method, wish.target)
    summary = pd.concat([pd.DataFrame([facts] * len(summary)), summary], axis=1)
    return Held(looked, method, table, summary, heats)


def _facts(looked: Looked, method: Method, target: str) -> dict:
    run = looked.run
    about = looked.test.about
    return {
        "run": "/".join(run.folder.resolve().parts[-3:]),  # its address, wherever output_dir lies
        "experiment": run.config.name,
        "network": run.network,
        **{key: about.get(key) for key in ("protocol", "fold", "seed", "revision")},
        "method": method.name,
        "layer": method.layer,
        "target": target,
    }


def _ends(row: dict, name: str) -> tuple:
    """The interval of what is measured; of what it is held against none is shown."""
    if name.endswith("elsewhere"):
        return (None, None)
    return (row[f"{name}_low"], row[f"{name}_high"])


def _per_cent(value: float | None, low: float | None = None, high: float | None = None) -> str:
    if pd.isna(low):
        ends = ""
    else:
        ends = f" ({100 * low:.1f}-{100 * high:.1f})"
    if pd.isna(value):
        return "-"
    return f"{100 * value:.1f}{ends}"
