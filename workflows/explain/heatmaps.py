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
from common.files import write_csv
from common.predictions import PROBABILITY_PREFIX
from common.runs.ensemble import member_folders
from common.runs.files import RunFile, RunFolder
from common.runs.run import Run
from common.thumbnails import encode, read_pictures, write_pictures
from datamodules.inference.run_images import RunImages
from evaluation.ensembles.averaging import average
from evaluation.error_analysis.examples import FEW_CLASSES, PLAIN, RIGHT, WRONG, write_thumbnails
from evaluation.explain.attribution import Method, heat_maps, resolve, scaled
from evaluation.explain.localisation import hottest, measure
from evaluation.explain.plots import NO_HEAT, Panel, coloured, in_rows, panel_grid
from workflows.explain.requests import HeatmapRequest, MapSettings
from workflows.explain.selection import (
    SelectedImages,
    choose,
    model_of,
    select_images,
    short_name,
    target_classes,
    with_data_dir,
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
        table: A row per image: image_id, label, called (the predicted class), target, probability (of the target),
            empty (no heat), method, layer, pointing_hit and energy_inside (where the true place is known).
        pictures: Every map in colours, as WebP.
        maps: The first DRAWN maps, float, shape (H, W), 0 and more.
    """

    selected: SelectedImages
    method: Method
    table: pd.DataFrame
    pictures: list[bytes]
    maps: list[np.ndarray]

    @property
    def stem(self) -> str:
        """The name of the files."""
        return f"{self.method.name}-{self.method.layer}"

    @property
    def drawn(self) -> int:
        """The number of images in a figure: those with a reason to be shown, or else the first."""
        return sum(map(bool, self.selected.reasons)) or len(self.maps)


def explain_runs(request: HeatmapRequest) -> None:
    """Explain runs, each by itself, or side by side: those of an ensemble, and all where a figure is named.

    Raises:
        UserError: See ``select_images``, ``target_classes`` and ``evaluation.explain.attribution``; or the runs side by
            side share no test images, or have other classes or labels.
    """
    if request.out is not None:
        runs = {run.folder: run for ensemble in request.runs for run in members(ensemble)}
        written = _explain(list(runs.values()), request, request.out)
    else:
        written = []
        for run in request.runs:
            figure = None
            if run.has(RunFile.ENSEMBLE):
                figure = run.folder / RunFolder.HEATMAPS / f"{request.method}-members.png"
            written += _explain(members(run), request, figure)
    for path in written:
        say(str(path))


def members(run: Run) -> list[Run]:
    """Return the members of an ensemble, or else the run itself."""
    if run.has(RunFile.ENSEMBLE):
        return [Run(folder) for folder in member_folders(run.folder, run.ensemble)]
    return [run]


def write_missing_thumbnails(runs: Sequence[Run], data_dir: str | None) -> None:
    """Write the pictures of test images that older code did not leave; an ensemble's are made like its members'.

    Raises:
        UserError: The images are missing, or the configuration of a run wants no thumbnails.
    """
    for run in runs:
        first = members(run)[0]
        config = with_data_dir(first.config, data_dir)
        size = config.evaluation.thumbnails
        if not size:
            raise UserError(f"{first.folder}: evaluation.thumbnails=0: this run is to have none")
        test = run.predictions.part("test")
        images = RunImages(config)
        write_thumbnails(run.folder, test, images, images.rows(first.folder, test.frame["image_id"]), size)
        say(str(run.thumbnails))


def compute_heatmaps(selected: SelectedImages, request: HeatmapRequest) -> Heatmaps:
    """Make the heat maps of a run's images."""
    classes = selected.test.classes
    method = resolve_method(selected, request.method, request.layer, request.settings)
    targets = target_classes(selected, request.settings.target)
    size = selected.run.config.evaluation.thumbnails or PICTURE
    rows = []
    pictures = []
    maps = []
    for number, heat in enumerate(maps_of(selected, targets, method)):
        pictures.append(encode(coloured(scaled(heat, method.name)), size))
        if number < DRAWN:
            maps.append(heat)
        row = {"target": classes[targets[number]], "empty": not heat.any(), "pointing_hit": None, "energy_inside": None}
        mask = selected.mask(number)
        if mask is not None:
            measured = measure(heat, mask.place, mask.chromosomes)
            row |= {"pointing_hit": measured["pointing"], "energy_inside": measured["energy"]}
        rows.append(row)
    frame = selected.test.frame[["image_id", "label"]].assign(called=[classes[index] for index in selected.predicted])
    table = pd.concat([frame, pd.DataFrame(rows)], axis=1)
    table["probability"] = selected.test.probabilities[np.arange(len(table)), targets]
    table = table.assign(method=method.name, layer=method.layer)[TABLE]
    return Heatmaps(selected, method, table, pictures, maps)


def resolve_method(selected: SelectedImages, name: str, layer: str | None, settings: MapSettings) -> Method:
    """Check a method and its layer; warn where the method is known to mislead."""
    run = selected.run
    method = resolve(name, layer, model_of(run), selected.image(0), settings.windows, settings.steps)
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
        f"explaining {selected.run.folder}",
        total=len(selected),
        console=console,
        disable=not console.is_terminal,
    )


def _explain(runs: Sequence[Run], request: HeatmapRequest, figure: Path | None) -> list[Path]:
    """Write the files of each run, and one figure: of a single run, or of several with a column each."""
    ids = None
    if len(runs) > 1 and not request.images.files:
        ids = _shared_images(runs, request)
    written: list[Path] = []
    columns: list[list[Panel]] = []
    titles = ["image"]
    for run in runs:
        heatmaps = compute_heatmaps(select_images(run, request.images, ids), request)
        if not request.images.files:
            written += _write_files(heatmaps, run)
        numbers = range(heatmaps.drawn)
        if not columns:
            columns.append([_image_panel(heatmaps, number) for number in numbers])
        columns.append([_heat_panel(heatmaps, number) for number in numbers])
        titles.append(f"{heatmaps.selected.run.config.name}\n{_network(heatmaps)}")
    about = heatmaps.selected.test.about
    if len(runs) == 1:
        suffix = "-files" if request.images.files else ""
        figure = figure or runs[0].folder / RunFolder.HEATMAPS / f"{heatmaps.stem}{suffix}.png"
        rows = _rows_by_class(heatmaps, columns)
        panel_grid(figure, rows, [""] * len(rows[0]), about, _note(heatmaps))
    elif figure is not None:
        about = {key: value for key, value in about.items() if key in ("source", "synthetic", "protocol")}
        rows = [list(row) for row in zip(*columns, strict=True)]
        panel_grid(figure, rows, titles, {"name": f"{len(runs)} models", **about}, f"{request.method}; {COLOURS}")
    return [*written, figure] if figure else written


def _shared_images(runs: Sequence[Run], request: HeatmapRequest) -> list[tuple[str, str]]:
    """Choose images that all runs were tested on, by the mean of their probabilities."""
    tests = [run.predictions.part("test") for run in runs]
    shared = set.intersection(*(set(test.frame["image_id"]) for test in tests))
    if not shared:
        raise UserError(f"{len(runs)} runs share no test image: name files with --images, or runs of one fold")
    common = [replace(test, frame=test.frame[test.frame["image_id"].isin(shared)]) for test in tests]
    mean = average(common, [str(run.folder) for run in runs])
    image_ids = mean.frame["image_id"].tolist()
    return [(image_ids[row], reason) for row, reason in choose(mean, request.images, "the runs")]


def _write_files(heatmaps: Heatmaps, run: Run) -> list[Path]:
    """Write pictures and table; earlier maps of other images of the same training are kept."""
    folder = run.folder / RunFolder.HEATMAPS
    pictures = folder / f"{heatmaps.stem}.parquet"
    table = folder / f"{heatmaps.stem}.csv"
    earlier_table, earlier_pictures = _earlier_maps(pictures, table, heatmaps)
    names = [*earlier_table["image_id"], *heatmaps.table["image_id"]]
    write_pictures(pictures, names, [*earlier_pictures, *heatmaps.pictures], PICTURE)
    write_csv(table, pd.concat([earlier_table, heatmaps.table]), "%.6f")
    return [pictures, table]


def _earlier_maps(pictures: Path, table: Path, heatmaps: Heatmaps) -> tuple[pd.DataFrame, list[bytes]]:
    """Read the rows and pictures of an earlier call, of other images, that fit the run's present predictions."""
    nothing: tuple[pd.DataFrame, list[bytes]] = (heatmaps.table.iloc[:0], [])
    if not (pictures.is_file() and table.is_file()):
        return nothing
    names = dict.fromkeys(("image_id", "label", "called", "target"), str)  # a class may be named 1
    earlier = pd.read_csv(table, dtype=names)
    if list(earlier.columns) != TABLE:
        return nothing
    earlier = earlier[~earlier["image_id"].isin(heatmaps.table["image_id"])]
    picture_of = read_pictures(pictures)
    present = heatmaps.selected.whole.frame.set_index("image_id")
    fits = []
    for row in earlier.itertuples():
        same = row.image_id in picture_of and row.image_id in present.index
        if same:
            same = abs(present[PROBABILITY_PREFIX + row.target][row.image_id] - row.probability) < 1e-5
        fits.append(same)
    earlier = earlier[np.array(fits, bool)]
    return earlier, [picture_of[image_id] for image_id in earlier["image_id"]]


def _rows_by_class(heatmaps: Heatmaps, columns: list[list[Panel]]) -> list[list[Panel | None]]:
    """Break pairs of image and map into rows; of the showcase of a few classes each class begins a new row."""
    width = 2 * min(PAIRS, len(columns[0]))
    by_class: dict[object, list[Panel]] = {}
    one_group = not any(heatmaps.selected.reasons) or len(heatmaps.selected.test.classes) > FEW_CLASSES
    for label, *pair in zip(heatmaps.table["label"], *columns, strict=False):
        by_class.setdefault(None if one_group else label, []).extend(pair)
    rows = []
    for panels in by_class.values():
        rows += in_rows(panels, width)
    return rows


def _image_panel(heatmaps: Heatmaps, number: int) -> Panel:
    """The image, the reason to show it, and its label."""
    row = heatmaps.table.iloc[number]
    label = f"is {row['label']}" if isinstance(row["label"], str) else ""
    heading = ": ".join(filter(None, (heatmaps.selected.reasons[number], label)))
    caption = "\n".join(filter(None, (heading, short_name(row["image_id"], LETTERS))))
    return Panel(heatmaps.selected.image(number), caption)


def _heat_panel(heatmaps: Heatmaps, number: int) -> Panel:
    """The image with its map, its prediction, and the class of the map."""
    row = heatmaps.table.iloc[number]
    selected = heatmaps.selected
    colour = PLAIN
    if isinstance(row["label"], str):
        colour = RIGHT if row["label"] == row["called"] else WRONG
    target = f"{NO_HEAT} {row['target']}" if row["empty"] else f"heat for {row['target']}"
    if heatmaps.method.name == "eigencam":
        target = "heat of any class"
    probability = selected.test.probabilities[number, selected.predicted[number]]
    caption = f"predicted {row['called']} {probability:.2f}\n{target}"
    heat = heatmaps.maps[number]
    mask = selected.mask(number)
    panel = Panel(selected.image(number), caption, colour, scaled(heat, heatmaps.method.name))
    return panel if mask is None else replace(panel, place=mask.place, point=hottest(heat))


def _network(heatmaps: Heatmaps) -> str:
    return f"{heatmaps.selected.run.network} at {heatmaps.method.layer}"


def _note(heatmaps: Heatmaps) -> str:
    count = len(heatmaps.table)
    part = f"{heatmaps.drawn} of {count:,} images; " if count > heatmaps.drawn else ""
    return f"{part}{heatmaps.method.name} of {_network(heatmaps)}; {COLOURS}"
