"""Heat maps of runs: pictures, a table and a figure in each run's folder; several models side by side."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track
from torch import nn

from common.cli import say, warn
from common.errors import UserError
from common.files import read_csv, write_csv
from common.predictions import PROBABILITY_PREFIX
from common.runs.ensemble import member_folders
from common.runs.files import RunFile, RunFolder
from common.runs.run import Run
from common.thumbnails import encode, read_pictures, write_pictures
from datamodules.inference.run_images import RunImages
from evaluation.averaging import average
from evaluation.examples import FEW_CLASSES, PLAIN, RIGHT, WRONG, write_thumbnails
from workflows.explain.attribution import Method, heat_maps, resolve, scaled
from workflows.explain.plots import NO_HEAT, Panel, coloured, in_rows, panel_grid
from workflows.explain.pointing import hottest, measure
from workflows.explain.request import PREDICTED, ExplainRequest
from workflows.explain.selection import (
    SelectedImages,
    choose,
    model_of,
    select_images,
    short_name,
    target_classes,
)

AVERAGING = ("gradcam", "gradcam++")
PICTURE = 160  # pixels, where a run's own configuration wants no thumbnails
DRAWN = 24  # images of a figure, at most
PAIRS = 3  # side by side in a figure
LETTERS = 26  # of an image's name
TABLE = [
    *("image_id", "label", "called", "target", "probability", "empty"),
    *("method", "layer", "pointing_hit", "energy_inside"),
]
COLOURS = "colours from blue to dark red: each image by its own greatest value; no colour: no support for the class"


@dataclass(frozen=True, eq=False)
class Heatmaps:
    """The heat maps of a run's images.

    Attributes:
        selected: The run and its images.
        method: With the name of its layer.
        table: A row per image, TABLE: ``called`` is the predicted class, ``probability`` that of ``target``, ``empty``
            no heat; the last two where the place of the abnormality is known.
        pictures: Every map in colours, as WebP.
        panels: The image and its map as panels: those with a reason to be shown, or else the first; at most DRAWN.
    """

    selected: SelectedImages
    method: Method
    table: pd.DataFrame
    pictures: list[bytes]
    panels: list[tuple[Panel, Panel]]

    @property
    def network(self) -> str:
        """Name of the network and of the layer."""
        return f"{self.selected.run.network} at {self.method.layer}"


def explain_runs(request: ExplainRequest) -> None:
    """Explain runs, each by itself, or side by side: those of an ensemble, and all where a figure is named.

    Raises:
        UserError: The runs side by side share no test images, or have other classes or labels.
    """
    for name, layer in request.methods:
        written = []
        if request.out is not None:
            runs = {run.folder: run for named in request.runs for run in members(named)}
            written = _explain(list(runs.values()), name, layer, request, request.out)
        else:
            for run in request.runs:
                figure = None
                if run.has(RunFile.ENSEMBLE):
                    figure = run.folder / RunFolder.HEATMAPS / f"{name}-members.png"
                written += _explain(members(run), name, layer, request, figure)
        for path in written:
            say(str(path))


def members(run: Run) -> list[Run]:
    """Return the members of an ensemble, or else the run itself."""
    if run.has(RunFile.ENSEMBLE):
        return [Run(folder) for folder in member_folders(run.folder, run.ensemble)]
    return [run]


def write_missing_thumbnails(request: ExplainRequest) -> None:
    """Write the pictures of test images that older code did not leave; an ensemble's are made like its members'."""
    for run in request.runs:
        first = members(run)[0]
        config = request.config(first.config)
        size = config.evaluation.thumbnails
        if not size:
            raise UserError(f"{first.folder}: evaluation.thumbnails=0: this run is to have none")
        test = run.predictions.part("test")
        images = RunImages(config)
        write_thumbnails(run.folder, test, images, images.rows(first.folder, test.frame["image_id"]), size)
        say(str(run.thumbnails))


def resolve_method(selected: SelectedImages, name: str, layer: str | None, request: ExplainRequest) -> Method:
    """Check a method and its layer; warn where the method is known to mislead."""
    run = selected.run
    method = resolve(name, layer, model_of(run), selected.image(0), request.settings.windows, request.settings.steps)
    if name in AVERAGING and any(isinstance(module, nn.Flatten) for module in run.classifier.head.children()):
        warn(
            f"{name} averages over all places, but the head of {run.config.name} tells them apart (flatten): its maps "
            "can be hot in places without influence; hirescam keeps the places (Draelos and Carin, 2020)"
        )
    return method


def maps_of(selected: SelectedImages, targets: list[int], method: Method) -> Iterator[np.ndarray]:
    """Yield the heat map of each image, with a progress bar on stderr."""
    images = (selected.image(number) for number in range(len(selected)))
    console = Console(stderr=True)
    yield from track(
        heat_maps(model_of(selected.run), images, targets, method),
        f"explaining {selected.run.config.name}",
        total=len(selected),
        console=console,
        disable=not console.is_terminal,
    )


def _explain(
    runs: Sequence[Run], name: str, layer: str | None, request: ExplainRequest, figure: Path | None
) -> list[Path]:
    """Write the files of each run, and one figure: of a single run, or of several with a column each."""
    ids = None
    if len(runs) > 1 and not request.images:
        ids = _shared_images(runs, request)
    written: list[Path] = []
    every = []
    for run in runs:
        heatmaps = _compute_heatmaps(select_images(run, request, ids), name, layer, request)
        if not request.images:
            written += _write_files(heatmaps, run)
        every.append(heatmaps)
    if len(runs) == 1:
        suffix = "-files" if request.images else ""
        name = f"{heatmaps.method.name}-{heatmaps.method.layer}{suffix}.png"
        figure = figure or runs[0].folder / RunFolder.HEATMAPS / name
        _draw_run(figure, heatmaps)
    elif figure is not None:
        _draw_side_by_side(figure, every)
    return [*written, figure] if figure else written


def _shared_images(runs: Sequence[Run], request: ExplainRequest) -> list[tuple[str, str]]:
    """Choose images that all runs were tested on, by the mean of their probabilities."""
    tests = [run.predictions.part("test") for run in runs]
    shared = set.intersection(*(set(test.frame["image_id"]) for test in tests))
    if not shared:
        raise UserError(f"{len(runs)} runs share no test image: name image files, or runs of one fold")
    common = [replace(test, frame=test.frame[test.frame["image_id"].isin(shared)]) for test in tests]
    mean = average(common, [str(run.folder) for run in runs])
    image_ids = mean.frame["image_id"].tolist()
    return [(image_ids[row], reason) for row, reason in choose(mean, request, "the runs")]


def _compute_heatmaps(selected: SelectedImages, name: str, layer: str | None, request: ExplainRequest) -> Heatmaps:
    classes = np.array(selected.test.classes, dtype=object)
    method = resolve_method(selected, name, layer, request)
    targets = target_classes(selected, request.settings.target or PREDICTED)
    table = selected.test.frame[["image_id", "label"]].assign(
        called=classes[selected.predicted],
        target=classes[targets],
        probability=selected.test.probabilities[np.arange(len(selected)), targets],
        empty=False,
        method=method.name,
        layer=method.layer,
        pointing_hit=np.nan,
        energy_inside=np.nan,
    )
    size = selected.run.config.evaluation.thumbnails or PICTURE
    drawn = min(sum(map(bool, selected.reasons)) or len(selected), DRAWN)
    pictures = []
    panels = []
    for number, heat in enumerate(maps_of(selected, targets, method)):
        pictures.append(encode(coloured(scaled(heat, method.name)), size))
        mask = selected.mask(number)
        table.loc[number, "empty"] = not heat.any()
        if mask is not None:
            measured = measure(heat, mask.place, mask.chromosomes)
            table.loc[number, ["pointing_hit", "energy_inside"]] = measured["pointing"], measured["energy"]
        if number < drawn:
            panels.append(_draw_pair(selected, number, table.loc[number], heat))
    return Heatmaps(selected, method, table[TABLE], pictures, panels)


def _draw_pair(selected: SelectedImages, number: int, row: pd.Series, heat: np.ndarray) -> tuple[Panel, Panel]:
    """Return the image with the reason to show it and its label, and its map with prediction and class of the map."""
    image = selected.image(number)
    labelled = isinstance(row["label"], str)
    heading = [selected.reasons[number], f"is {row['label']}" if labelled else ""]
    lines = [": ".join(filter(None, heading)), short_name(row["image_id"], LETTERS)]
    colour = PLAIN
    if labelled:
        colour = RIGHT if row["label"] == row["called"] else WRONG
    target = f"{NO_HEAT} {row['target']}" if row["empty"] else f"heat for {row['target']}"
    if row["method"] == "eigencam":
        target = "heat of any class"
    probability = selected.test.probabilities[number, selected.predicted[number]]
    panel = Panel(image, f"predicted {row['called']} {probability:.2f}\n{target}", colour, scaled(heat, row["method"]))
    mask = selected.mask(number)
    if mask is not None:
        panel = replace(panel, place=mask.place, point=hottest(heat))
    return Panel(image, "\n".join(filter(None, lines))), panel


def _write_files(heatmaps: Heatmaps, run: Run) -> list[Path]:
    """Write pictures and table; earlier maps of other images of the same training are kept."""
    stem = run.folder / RunFolder.HEATMAPS / f"{heatmaps.method.name}-{heatmaps.method.layer}"
    pictures = stem.with_name(f"{stem.name}.parquet")
    table = stem.with_name(f"{stem.name}.csv")
    earlier_table, earlier_pictures = _earlier_maps(pictures, table, heatmaps)
    names = [*earlier_table["image_id"], *heatmaps.table["image_id"]]
    write_pictures(pictures, names, [*earlier_pictures, *heatmaps.pictures], PICTURE)
    write_csv(table, pd.concat([earlier_table, heatmaps.table]), "%.6f")
    return [pictures, table]


def _earlier_maps(pictures: Path, table: Path, heatmaps: Heatmaps) -> tuple[pd.DataFrame, list[bytes]]:
    """Read the rows and pictures of an earlier call, of other images, that fit the run's present predictions."""
    earlier = heatmaps.table.iloc[:0]
    if pictures.is_file() and table.is_file():
        names = dict.fromkeys(("image_id", "label", "called", "target"), str)  # a class may be named 1
        earlier = read_csv(table, dtype=names)
    if list(earlier.columns) != TABLE or earlier.empty:
        return heatmaps.table.iloc[:0], []
    picture_of = read_pictures(pictures)
    present = heatmaps.selected.whole.frame.melt("image_id", var_name="column", value_name="present")
    earlier = earlier.assign(column=PROBABILITY_PREFIX + earlier["target"]).merge(present, on=["image_id", "column"])
    other = earlier["image_id"].isin(picture_of) & ~earlier["image_id"].isin(heatmaps.table["image_id"])
    same_training = (earlier["present"].astype(float) - earlier["probability"]).abs() < 1e-5
    earlier = earlier.loc[other & same_training, TABLE]
    return earlier, [picture_of[image_id] for image_id in earlier["image_id"]]


def _draw_run(figure: Path, heatmaps: Heatmaps) -> None:
    """Draw pairs of image and map in rows; of the showcase of a few classes each class begins a new row."""
    selected = heatmaps.selected
    one_group = not any(selected.reasons) or len(selected.test.classes) > FEW_CLASSES
    by_class: dict[object, list[Panel]] = {}
    for label, pair in zip(heatmaps.table["label"], heatmaps.panels, strict=False):
        by_class.setdefault(None if one_group else label, []).extend(pair)
    width = 2 * min(PAIRS, len(heatmaps.panels))
    rows = []
    for panels in by_class.values():
        rows += in_rows(panels, width)
    note = f"{heatmaps.method.name} of {heatmaps.network}; {COLOURS}"
    if len(selected) > len(heatmaps.panels):
        note = f"{len(heatmaps.panels)} of {len(selected):,} images; {note}"
    panel_grid(figure, rows, [""] * width, selected.test.about, note)


def _draw_side_by_side(figure: Path, every: Sequence[Heatmaps]) -> None:
    """Draw a row per image, with the map of each model in a column."""
    titles = ["image"]
    columns = [[image for image, _ in every[0].panels]]
    for heatmaps in every:
        titles.append(f"{heatmaps.selected.run.config.name}\n{heatmaps.network}")
        columns.append([panel for _, panel in heatmaps.panels])
    about: dict[str, object] = {"name": f"{len(every)} models"}
    for key in ("source", "synthetic", "protocol"):
        if key in every[0].selected.test.about:
            about[key] = every[0].selected.test.about[key]
    rows = list(zip(*columns, strict=True))
    panel_grid(figure, rows, titles, about, f"{every[0].method.name}; {COLOURS}")
