"""Pictures of the outputs of the layers of trained runs."""

from pathlib import Path

import numpy as np

from common.cli import say
from common.errors import UserError
from common.runs.lifecycle import other_revisions
from common.runs.run import Run
from datamodules.inference.run_images import from_files, from_test_part
from lightning_modules.load import load_run
from workflows.explain.layers import layer_maps, layer_shapes, positions
from workflows.explain.plots import layer_grid
from workflows.explain.request import ExplainRequest
from workflows.explain.selection import files_about, model_of, short_name

LETTERS = 28  # of an image's name
SAMPLES = 2  # images by default


def draw_all_layers(request: ExplainRequest) -> None:
    """Draw the layers of each run; a ``UserError`` says that one file is named for several runs."""
    count = len(request.runs)
    if request.out is not None and count > 1:
        raise UserError(f"--out {request.out}: one file for {count} runs: without it each gets layers/layers.png")
    for run in request.runs:
        path = request.out or run.folder / "layers" / "layers.png"
        _draw_layers(run, request, path)
        say(str(path), *other_revisions(run.folder))


def _draw_layers(run: Run, request: ExplainRequest, path: Path) -> None:
    trained = load_run(run.folder)
    config = request.config(trained.config)
    about = run.predictions.about
    if request.images:
        samples = from_files(request.images, config)
        about = files_about(about)
    else:
        samples = from_test_part(run.folder, config, request.settings.samples or SAMPLES)
    model = model_of(trained)
    names = {name: name for name in request.settings.layer or ()}
    if not names:
        names = positions(model, layer_shapes(model, samples.images[0]))
    batches = list(layer_maps(model, samples.images, list(names.values())))
    layers = {}
    for position, name in names.items():
        title = name if position == name else f"{position}: {name}"
        layers[title] = np.concatenate([maps[name] for maps in batches])
    captions = []
    for name, label in zip(samples.names, samples.labels, strict=True):
        captions.append("\n".join(filter(None, (label, short_name(name, LETTERS)))))
    about = {**about, "name": f"{trained.config.name} · {trained.network}"}
    layer_grid(path, samples.images, captions, layers, request.settings.channels, about)
