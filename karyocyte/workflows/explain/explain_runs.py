"""What scripts/explain.py makes of runs: heat maps of test images, and the outputs of layers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import nn

from datamodules.inference.run_images import RunImages, in_turn
from datamodules.io.progress import progress_bar
from karyocyte.common.cli import console, say, warn
from karyocyte.common.errors import UserError
from karyocyte.common.files import write_csv
from karyocyte.evaluation.metrics.classification import call
from karyocyte.evaluation.pages.thumbnails import encode, write_pictures
from karyocyte.evaluation.sections.examples import PLAIN, RIGHT, WRONG, Example, draw_sheet, end_of, showcase
from karyocyte.runs.files import RunFolder
from karyocyte.runs.lifecycle import other_revisions
from karyocyte.runs.predictions import Predictions
from karyocyte.runs.run import Run
from karyocyte.workflows.explain.attribution import GRADCAM, Method, display_map, heat_maps, method_at
from karyocyte.workflows.explain.explain_request import PREDICTED, TRUE, ExplainRequest
from karyocyte.workflows.explain.layers import Model, activations_and_pools, check_layers, default_layers, layer_maps
from karyocyte.workflows.explain.plots import channel_picture, heat_colours, overlay
from lightning_modules.build.load import TrainedRun, load_run

PICTURE = 160  # pixels, where a run's own configuration wants no thumbnails
DRAWN = 24  # images of a figure, at most
COLUMNS = 6  # of a figure: three images, each with its heat map
WIDTH = 2.4  # inches of a column
WIDEST = 16.0  # inches of a figure
LETTERS = 28  # of an image's name
ALL_LAYERS = "activations"  # the word for all of ``activations_and_pools``
SAMPLES = 2  # images of which layers are drawn by default
COLOURS = "colours from blue to dark red: each image by its own greatest value; no colour: no support for the class"
LAYERS_NOTE = "of each layer all channels, each scaled to its own range; a constant one is black"
LAYER_COLUMNS = 6  # of a figure with the layers of a single image
Pairs = Sequence[tuple[Example, Example]]  # an image and its heat map
Strips = list[tuple[str, list[Example]]]  # rows of a figure with their headings


@dataclass(frozen=True, eq=False)
class SelectedImages:
    """Test images of a run that are explained."""

    run: Run
    test: Predictions  # its predictions for these images, a row each
    reasons: list[str]  # why each is shown; may be empty strings
    images: RunImages
    targets: np.ndarray  # the class that each image's map is for, int64, shape (N,)


def draw_heat_maps(request: ExplainRequest) -> None:
    """Write pictures and a table of heat maps into each run's folder, and a figure of each layer, or of all in one."""
    beside: Strips = []
    for selected in _selections(request):
        trained = load_run(selected.run.folder)
        model = Model.of_run(trained)
        _warn_of_averaging(trained, request.settings.method)
        for layer in request.settings.layer or (None,):
            method = method_at(request.settings.method, layer, model, selected.images[0])
            stem = selected.run.folder / RunFolder.HEATMAPS / f"{method.name}-{method.layer}"
            pairs = _write_maps(stem, selected, model, method)
            say(str(stem), "pictures (.parquet) and their table (.csv)")
            if request.out:
                title = [selected.run.config.name, _place(selected.run), method.name, method.layer]
                _put_beside(beside, title, pairs)
                continue
            figure = stem.with_name(f"{stem.name}.png")
            _draw_figure(figure, selected, f"{method.name} of {trained.network} at {method.layer}", pairs)
            say(str(figure))
    if request.out:
        _draw_strips(request.out, {**selected.test.about, "name": "heat maps"}, COLOURS, beside)
        say(str(request.out))


def _selections(request: ExplainRequest) -> list[SelectedImages]:
    """Select the images of each run, before anything is written; those of a common figure are the first run's."""
    selections = []
    chosen: dict[str, str] = {}
    for run in request.runs:
        if not (chosen and request.out):
            chosen = choose(run.predictions.part("test"), request.settings.samples, request.settings.all)
        selections.append(select_images(run, request, chosen))
    return selections


def select_images(run: Run, request: ExplainRequest, chosen: Mapping[str, str]) -> SelectedImages:
    """Select images of a run's test part, by id with the reason to show each.

    Raises:
        UserError: The run was not tested on them.
    """
    whole = run.predictions.part("test")
    places = pd.Index(whole.frame["image_id"]).get_indexer(list(chosen))
    if (places < 0).any():
        raise UserError(f"{run.folder} was not tested on the images of the first run: leave out --out")
    test = replace(whole, frame=whole.frame.iloc[places].reset_index(drop=True))
    images = RunImages(run, test.frame["image_id"], request.settings.data_dir)
    targets = target_classes(test, request.settings.target)
    return SelectedImages(run, test, list(chosen.values()), images, targets)


def choose(test: Predictions, samples: int | None, every: bool = False) -> dict[str, str]:
    """Choose images by id with the reason to show each: all, ``samples`` of the classes in turn, or a showcase.

    Raises:
        UserError: No image has a label.
    """
    if (test.labels < 0).all():
        raise UserError("no test image has a label")
    ids = test.frame["image_id"]
    chosen = {ids[row]: reason for row, reason in showcase(test)}
    if samples and not every:
        return dict.fromkeys(ids[in_turn(test.frame["label"], test.classes)[:samples]], "")
    if every:  # the notable ones come first: a figure has no room for all
        chosen |= dict.fromkeys(ids[~ids.isin(list(chosen))], "")
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
    if name.startswith(GRADCAM) and any(isinstance(module, nn.Flatten) for module in run.classifier.head.children()):
        warn(
            f"{name} averages over all places, but the head of {run.config.name} tells them apart (flatten): its maps "
            "can be hot in places without influence; hirescam keeps the places (Draelos and Carin, 2020)"
        )


def _table(selected: SelectedImages, method: Method) -> pd.DataFrame:
    """Return a row per image: ``called`` is its predicted class, ``probability`` that of ``target``."""
    test = selected.test
    names = np.array(test.classes, dtype=object)
    return test.frame[["image_id", "path", "label"]].assign(
        called=names[call(test.probabilities, test.positive_index)],
        target=names[selected.targets],
        probability=test.probabilities[np.arange(len(test.frame)), selected.targets],
        empty=False,
        method=method.name,
        layer=method.layer,
    )


def _write_maps(stem: Path, selected: SelectedImages, model: Model, method: Method) -> Pairs:
    """Write every map in colours and the table of all; return pairs of image and map for the figure.

    In the figure are the images with a reason to be shown, or else the first; at most DRAWN.
    """
    table = _table(selected, method)
    size = selected.run.config.evaluation.thumbnails or PICTURE
    drawn = min(len(list(filter(None, selected.reasons))) or len(table), DRAWN)
    pictures = []
    pairs = []
    with progress_bar(len(table), f"explaining {selected.run.config.name}", console.is_terminal) as advance:
        for number, heat in enumerate(heat_maps(model, selected.images, selected.targets.tolist(), method)):
            pictures.append(encode(heat_colours(display_map(heat)), size))
            table.loc[number, "empty"] = not heat.any()
            image = selected.images[number]
            for name, weights in (("inside", heat), ("content", np.ones_like(heat))):
                table.loc[number, name] = share_inside(weights, image, selected.run.config.prepare.crop_threshold)
            if number < drawn:
                pairs.append(_pair(selected, number, table.loc[number], heat))
            advance()
    maps, text = (stem.with_name(f"{stem.name}{suffix}") for suffix in (".parquet", ".csv"))
    write_pictures(maps, table["image_id"], pictures, PICTURE)
    write_csv(text, table, "%.6f")
    selected.run.record_made(maps, text)
    return pairs


def share_inside(heat: np.ndarray, image: np.ndarray, background: int) -> float:
    """Return the share of the heat (H, W) on pixels of an image (H, W, 3) above the background; NaN of no heat."""
    inside = image.max(axis=2) > background
    return float(heat[inside].sum() / heat.sum()) if heat.any() else np.nan


def _pair(selected: SelectedImages, number: int, row: pd.Series, heat: np.ndarray) -> tuple[Example, Example]:
    """Return an image with the reason to show it, and its map with the prediction and the class of the map."""
    image = selected.images[number]
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
    return shown, (overlay(image, display_map(heat)), [(predicted, colour), (f"{words} {row['target']}", PLAIN)])


def _place(run: Run) -> str:
    return "/".join(run.folder.resolve().parts[-2:])


def _put_beside(beside: Strips, title: Sequence[str], pairs: Pairs) -> None:
    """Add the maps of a run and method to the row of each image (paper 004, figures 39 and 40)."""
    titled = [(end_of(line, LETTERS), PLAIN) for line in title]
    for number, ((image, lines), (picture, below)) in enumerate(pairs):
        if number == len(beside):
            beside.append((" · ".join(text for text, _ in lines), [(image, [])]))
        beside[number][1].append((picture, [*titled, *below]))


def _draw_figure(path: Path, selected: SelectedImages, note: str, pairs: Pairs) -> None:
    """Draw images and maps in rows."""
    note = f"{note}; {COLOURS}"
    if len(selected.images) > len(pairs):
        note = f"{len(pairs)} of {len(selected.images):,} images; {note}"
    _draw_strips(path, selected.test.about, note, [("", list(chain.from_iterable(pairs)))], COLUMNS)


def draw_layers(request: ExplainRequest) -> None:
    """Draw the outputs of layers in one figure, with a mosaic of channels for each: a row per run and image."""
    strips = list(chain.from_iterable(_layer_strips(run, request) for run in request.runs))
    path = request.out or request.runs[0].folder / "layers" / "layers.png"
    columns = max(len(strip) for _, strip in strips)
    if len(strips) == 1:
        columns = min(LAYER_COLUMNS, columns)
    _draw_strips(path, {**request.runs[0].predictions.about, "name": "outputs of layers"}, LAYERS_NOTE, strips, columns)
    say(str(path), *chain.from_iterable(other_revisions(run.folder) for run in request.runs))


def _layer_strips(run: Run, request: ExplainRequest) -> Strips:
    """Return of each image, with run, class and name, itself and the outputs of the layers."""
    trained = load_run(run.folder)
    chosen = choose(run.predictions.part("test"), request.settings.samples or SAMPLES)
    selected = select_images(run, request, chosen)
    model = Model.of_run(trained)
    strips: Strips = []
    named = selected.test.frame[["image_id", "label"]].itertuples(index=False)
    for image, (name, label) in zip(selected.images, named, strict=True):
        maps = layer_maps(model, image)
        strip: list[Example] = [(image, [("input", PLAIN)])]
        for layer in _shown_layers(model, request.settings.layer or (), list(maps)):
            shape = " × ".join(map(str, maps[layer].shape))
            strip.append((channel_picture(maps[layer]), [(layer, PLAIN), (shape, PLAIN)]))
        shown = f"{label}: {end_of(name, LETTERS)}"
        strips.append((" · ".join([trained.config.name, trained.network, _place(run), shown]), strip))
    return strips


def _shown_layers(model: Model, names: Sequence[str], known: Sequence[str]) -> Sequence[str]:
    """Return the modules to draw of those that are known: the named ones, all activations, or the default ones."""
    if tuple(names) == (ALL_LAYERS,):
        return activations_and_pools(model, known)
    check_layers(names, known)
    return names or default_layers(model, known)


def _draw_strips(path: Path, about: dict[str, Any], note: str, strips: Strips, columns: int | None = None) -> None:
    """Draw strips, by default a row each, with a note above the heading of the first."""
    columns = columns or max(len(strip) for _, strip in strips)
    (first, strip), *others = strips
    draw_sheet(path, about, [(f"{note}\n{first}", strip), *others], columns, min(WIDTH, WIDEST / columns))
