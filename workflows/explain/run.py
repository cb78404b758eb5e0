"""What scripts/explain.py draws of runs: heat maps of test images, and the outputs of layers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain, product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import nn

from common.cli import console, say, warn
from common.errors import UserError
from common.files import write_csv
from common.predictions import Predictions
from common.runs.files import RunFolder
from common.runs.lifecycle import other_revisions
from common.runs.run import Run
from common.thumbnails import encode, write_pictures
from datamodules.inference.run_images import RunImages, from_test_part, in_turn
from datamodules.io.progress import progress_bar
from evaluation.examples import FEW_CLASSES, PLAIN, RIGHT, WRONG, Example, draw_sheet, end_of, showcase
from evaluation.metrics.classification import call
from lightning_modules.load import TrainedRun, load_run
from workflows.explain.attribution import Method, heat_maps, resolve, scaled
from workflows.explain.layers import Model, layer_maps, layer_shapes, positions
from workflows.explain.plots import channel_picture, coloured, most_varied, overlay
from workflows.explain.request import PREDICTED, TRUE, ExplainConfig, ExplainRequest

AVERAGING = ("gradcam", "gradcam++")
PICTURE = 160  # pixels, where a run's own configuration wants no thumbnails
DRAWN = 24  # images of a figure, at most
COLUMNS = 6  # of a figure: three images, each with its heat map
WIDTH = 2.4  # inches of a column
WIDER = 2.9  # of heat maps by several runs
WIDEST = 16.0  # inches of a figure of several runs
LETTERS = 28  # of an image's name
Pairs = Sequence[tuple[Example, Example]]  # an image and its heat map
SAMPLES = 2  # images of which layers are drawn by default
COLOURS = "colours from blue to dark red: each image by its own greatest value; no colour: no support for the class"
LAYERS_NOTE = "of each layer the channels that vary most, each scaled to its own range"


@dataclass(frozen=True, eq=False)
class SelectedImages:
    """Test images of a run that are explained.

    Attributes:
        run: With its model.
        test: Its predictions for these images, a row each.
        reasons: Why each is shown; may be empty strings.
        images: All images of the run's data set.
        rows: The row of each image in ``images``.
        targets: The class that each image's map is for, int64, shape (N,).
    """

    run: TrainedRun
    test: Predictions
    reasons: list[str]
    images: RunImages
    rows: np.ndarray
    targets: np.ndarray


def draw_heat_maps(request: ExplainRequest) -> None:
    """Write pictures and a table of heat maps into each run's folder, and a figure: of each run, or of all of them."""
    beside: list[tuple[str, Pairs]] = []
    same: pd.Series | None = None  # images of a figure of several runs
    for run in request.runs:
        selected = select_images(run, request, same)
        model = Model.of_run(selected.run)
        for name, layer in product(request.settings.method, request.settings.layer or (None,)):
            method = resolve(name, layer, model, selected.images[selected.rows[0]])
            _warn_of_averaging(selected.run, name)
            stem = run.folder / RunFolder.HEATMAPS / f"{method.name}-{method.layer}"
            pairs = _write_maps(stem, selected, model, method)
            if request.together:
                beside.append((f"{selected.run.config.name}, {method.name}", pairs))
                continue
            figure = request.out or stem.with_name(f"{stem.name}.png")
            _draw_figure(figure, selected, method, pairs)
            say(str(stem), "pictures (.parquet) and their table (.csv)", str(figure))
        if request.together:
            same = selected.test.frame["image_id"]
    if request.together:
        assert request.out is not None
        _draw_beside(request.out, selected.test.about, beside)
        say(str(request.out), "pictures (.parquet) and tables (.csv) in the folders of the runs")


def select_images(run: Run, request: ExplainRequest, same: pd.Series | None = None) -> SelectedImages:
    """Load a run and select images of its test part: those with the ids ``same``, or see ``choose``.

    Raises:
        UserError: The run was not tested on the same images.
    """
    whole = run.predictions.part("test")
    if same is None:
        chosen = choose(whole, request.settings)
    else:
        places = pd.Index(whole.frame["image_id"]).get_indexer(pd.Index(same))
        if (places < 0).any():
            raise UserError(f"{run.folder} was not tested on the images of the first run: leave out --out")
        chosen = dict.fromkeys(places.tolist(), "")
    test = replace(whole, frame=whole.frame.iloc[list(chosen)].reset_index(drop=True))
    images = RunImages(request.config(run))
    rows = images.rows(run.folder, test.frame["image_id"])
    targets = target_classes(test, request.settings.target)
    return SelectedImages(load_run(run.folder), test, list(chosen.values()), images, rows, targets)


def choose(test: Predictions, settings: ExplainConfig) -> dict[int, str]:
    """Choose rows of a test part with the reason to show each: all, ``samples`` of the classes in turn, or a showcase.

    Raises:
        UserError: No image has a label.
    """
    if settings.samples and not settings.all:
        return dict.fromkeys(in_turn(test.frame["label"], test.classes)[: settings.samples], "")
    chosen = dict(showcase(test))
    if settings.all:  # the notable ones come first: a figure has no room for all
        rest = np.setdiff1d(np.arange(len(test.frame)), list(chosen))
        chosen |= dict.fromkeys(rest.tolist(), "")
    return chosen


def target_classes(test: Predictions, target: str) -> np.ndarray:
    """Return the class that each image's map is for, int64, shape (N,); it must exist and be known of each image."""
    if target in test.classes:
        return np.full(len(test.frame), test.classes.index(target))
    if target == PREDICTED:
        return call(test.probabilities, test.positive_index)
    if target != TRUE:
        raise UserError(f"target={target}: say {PREDICTED}, {TRUE}, or a class: {', '.join(test.classes)}")
    unknown = test.frame["image_id"][test.labels < 0]
    if len(unknown):
        raise UserError(f"target={TRUE}: the class of {unknown.iloc[0]} is unknown: say {PREDICTED}, or a class")
    return test.labels


def _warn_of_averaging(run: TrainedRun, name: str) -> None:
    if name in AVERAGING and any(isinstance(module, nn.Flatten) for module in run.classifier.head.children()):
        warn(
            f"{name} averages over all places, but the head of {run.config.name} tells them apart (flatten): its maps "
            "can be hot in places without influence; hirescam keeps the places (Draelos and Carin, 2020)"
        )


def _table(selected: SelectedImages, method: Method) -> pd.DataFrame:
    """Return a row per image: ``called`` is its predicted class, ``probability`` that of ``target``."""
    test = selected.test
    names = np.array(test.classes, dtype=object)
    return test.frame[["image_id", "label"]].assign(
        called=names[call(test.probabilities, test.positive_index)],
        target=names[selected.targets],
        probability=test.probabilities[np.arange(len(test.frame)), selected.targets],
        empty=False,
        method=method.name,
        layer=method.layer,
    )


def _write_maps(stem: Path, selected: SelectedImages, model: Model, method: Method) -> Pairs:
    """Write the maps of all selected images and their table; return the pairs for a figure, see ``_pictures``."""
    table = _table(selected, method)
    pictures, pairs = _pictures(selected, model, method, table)
    write_pictures(stem.with_name(f"{stem.name}.parquet"), table["image_id"], pictures, PICTURE)
    write_csv(stem.with_name(f"{stem.name}.csv"), table, "%.6f")
    return pairs


def _pictures(selected: SelectedImages, model: Model, method: Method, table: pd.DataFrame) -> tuple[list[bytes], Pairs]:
    """Return every map in colours, as WebP, and pairs of image and map for the figure; mark maps without heat.

    In the figure are the images with a reason to be shown, or else the first; at most DRAWN.
    """
    size = selected.run.config.evaluation.thumbnails or PICTURE
    drawn = min(len(list(filter(None, selected.reasons))) or len(table), DRAWN)
    images = (selected.images[row] for row in selected.rows)
    pictures = []
    pairs = []
    with progress_bar(len(table), f"explaining {selected.run.config.name}", console.is_terminal) as advance:
        for number, heat in enumerate(heat_maps(model, images, selected.targets.tolist(), method)):
            pictures.append(encode(coloured(scaled(heat)), size))
            table.loc[number, "empty"] = not heat.any()
            if number < drawn:
                pairs.append(_pair(selected, number, table.loc[number], heat))
            advance()
    return pictures, pairs


def _pair(selected: SelectedImages, number: int, row: pd.Series, heat: np.ndarray) -> tuple[Example, Example]:
    """Return an image with the reason to show it, and its map with the prediction and the class of the map."""
    image = selected.images[selected.rows[number]]
    label = ""
    colour = PLAIN
    if isinstance(row["label"], str):
        label = f"is {row['label']}"
        colour = WRONG
        if row["label"] == row["called"]:
            colour = RIGHT
    heading = ": ".join(filter(None, [selected.reasons[number], label]))
    predicted = f"predicted {row['called']} {selected.test.probabilities[number].max():.2f}"
    words = "heat for"
    if row["empty"]:
        words = "no support for"
    shown = (image, [(heading, PLAIN), (end_of(row["image_id"], LETTERS), PLAIN)])
    return shown, (overlay(image, scaled(heat)), [(predicted, colour), (f"{words} {row['target']}", PLAIN)])


def _draw_figure(path: Path, selected: SelectedImages, method: Method, pairs: Pairs) -> None:
    """Draw images and maps in rows; each class of a showcase of a few begins a new row."""
    test = selected.test
    note = f"{method.name} of {selected.run.network} at {method.layer}; {COLOURS}"
    if len(selected.rows) > len(pairs):
        note = f"{len(pairs)} of {len(selected.rows):,} images; {note}"
    by_class = any(selected.reasons) and len(test.classes) <= FEW_CLASSES
    strips: dict[str, list[Example]] = {}
    for label, pair in zip(test.frame["label"], pairs, strict=False):
        heading = ""
        if by_class:
            heading = f"is {label}"
        strips.setdefault(heading, []).extend(pair)
    draw_sheet(path, test.about, _noted(note, strips), COLUMNS, WIDTH)


def _draw_beside(path: Path, about: dict[str, Any], maps: Sequence[tuple[str, Pairs]]) -> None:
    """Draw a row per image: the image, and its maps by each run (paper 004, figures 39 and 40)."""
    strips: dict[str, list[Example]] = {}
    for number, ((image, lines), _) in enumerate(maps[0][1]):
        strip: list[Example] = [(image, [])]
        for title, pairs in maps:
            picture, below = pairs[number][1]
            strip.append((picture, [(title, PLAIN), *below]))
        strips[" · ".join(text for text, _ in lines)] = strip
    columns = 1 + len(maps)
    draw_sheet(path, {**about, "name": "heat maps"}, _noted(COLOURS, strips), columns, min(WIDER, WIDEST / columns))


def draw_layers(request: ExplainRequest) -> None:
    """Draw the outputs of layers, with a mosaic of channels for each: a row per image, or per run in one figure."""
    rows: dict[str, list[Example]] = {}
    for run in request.runs:
        strips, about = _layer_strips(run, request)
        if request.together:
            place = "/".join(run.folder.parts[-2:])
            rows[" · ".join([about["name"], place, *strips])] = list(chain.from_iterable(strips.values()))
            continue
        path = request.out or run.folder / "layers" / "layers.png"
        _draw_strips(path, about, strips, WIDTH)
        say(str(path), *other_revisions(run.folder))
    if request.together:
        assert request.out is not None
        width = WIDEST / max(map(len, rows.values()))
        _draw_strips(request.out, {"name": "outputs of layers"}, rows, min(WIDTH, width))
        say(str(request.out))


def _layer_strips(run: Run, request: ExplainRequest) -> tuple[dict[str, list[Example]], dict[str, Any]]:
    """Return of each image, by class and name, itself and the outputs of the layers; and the facts of the run."""
    trained = load_run(run.folder)
    model = Model.of_run(trained)
    samples = from_test_part(run.folder, request.config(run), request.settings.samples or SAMPLES)
    names = request.settings.layer or ()
    layers = dict(zip(names, names, strict=True)) or positions(model, layer_shapes(model, samples.images[0]))
    maps = layer_maps(model, samples.images, list(layers.values()))
    strips: dict[str, list[Example]] = {}
    for number, (image, name) in enumerate(zip(samples.images, samples.names, strict=True)):
        strip: list[Example] = [(image, [("input", PLAIN)])]
        for position, module in layers.items():
            channels = maps[module][number, most_varied(maps[module], request.settings.channels)]
            shape = " × ".join(map(str, maps[module].shape[1:]))
            lines = dict.fromkeys((position, module, shape), PLAIN)
            strip.append((channel_picture(channels), list(lines.items())))
        strips[f"{samples.labels[number]}: {end_of(name, LETTERS)}"] = strip
    return strips, {**run.predictions.about, "name": f"{trained.config.name} · {trained.network}"}


def _draw_strips(path: Path, about: dict[str, Any], strips: dict[str, list[Example]], width: float) -> None:
    draw_sheet(path, about, _noted(LAYERS_NOTE, strips), max(map(len, strips.values())), width)


def _noted(note: str, strips: dict[str, list[Example]]) -> dict[str, list[Example]]:
    """Return the strips with a note above the heading of the first."""
    first, *others = strips
    return {f"{note}\n{first}": strips[first], **{heading: strips[heading] for heading in others}}
