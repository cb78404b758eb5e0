"""What scripts/explain.py joins: the model of a run, images prepared as its own were, and their layers."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from common.config.schema import Config
from common.predictions import Predictions, read_predictions
from datamodules.inference.run_images import Samples, from_files, from_test_part
from evaluation.core.labelled import score
from evaluation.explain.activations import LayerSmoothness, Model, layer_maps, layer_shapes, measure, positions
from evaluation.explain.plots import Layer, layer_grid
from evaluation.metrics.classification import evaluate
from lightning_modules.load import TrainedRun, load_run, read_config

LONGEST = 28  # characters
SEVERAL_SETS = (
    "chromosomes",
    "composed_karyograms",
    "folder",
    "karyograms",
    "table",
)  # sources that each read whatever data set lies in data_dir
COLUMNS = (
    "run",
    "experiment",
    "network",
    "data_set",
    "protocol",
    "fold",
    "seed",
    "position",
    "layer",
    "channels",
    "height",
    "width",
    "smoothness",
    "common_height",
    "common_width",
    "smoothness_common",
    "constant_maps",
    "maps",
    "images",
    "accuracy",
    "test_images",
    "revision",
)


@dataclass(frozen=True)
class Looked:
    """What is needed to look at the layers of a run once more.

    Attributes:
        run: Its folder.
        samples: The images.
        layers: Position -> (name, (C, H, W)).
    """

    run: Path
    samples: Samples
    layers: dict[str, tuple[str, tuple[int, int, int]]]


def draw_layers(  # noqa: PLR0913
    folder: Path, files: list[Path], count: int, names: Sequence[str], channels: int, out: Path, data_dir: str | None
) -> None:
    """Write the picture of a run's layers.

    Args:
        folder: The run.
        files: Images; none: some of the run's test part.
        count: How many of these.
        names: The layers; none: see :func:`evaluation.explain.activations.positions`.
        channels: How many channels of each.
        out: PNG to write.
        data_dir: Where the run's images lie now; None: where they were.

    Raises:
        UserError: See ``load_run``, ``run_images`` and ``evaluation.explain.activations.check_names``.
    """
    run = load_run(folder)
    config = placed(run.config, data_dir)
    if files:
        samples = from_files(files, config)
    else:
        samples = from_test_part(folder, config, count)
    model = model_of(run)
    chosen = {name: name for name in names} or positions(model, layer_shapes(model, samples.images[0]))
    batches = list(layer_maps(model, samples.images, list(chosen.values())))
    layers = [
        Layer(name if place == name else f"{place}: {name}", np.concatenate([maps[name] for maps in batches]))
        for place, name in chosen.items()
    ]
    names_and_labels = zip(samples.names, samples.labels, strict=True)
    captions = [_short(name) if label is None else f"{label}\n{_short(name)}" for name, label in names_and_labels]
    about = {**read_predictions(folder).about, "name": f"{run.config.name} · {run.network}"}
    if files:  # whatever the run was trained on, these are not it
        if about.get("synthetic"):
            trained_on = "SYNTHETIC images"
        else:
            trained_on = about.get("source")
        about |= {"source": f"trained on {trained_on}", "synthetic": False}
    layer_grid(out, samples.images, captions, layers, channels, about)


def measure_runs(folders: Sequence[Path], count: int) -> pd.DataFrame:
    """Measure the smoothness of the layers of runs, at the positions of ``activations.positions``.

    Args:
        folders: The runs.
        count: How many images of each run's test part, at most.

    Returns:
        A row per run and layer, in the columns of ``COLUMNS``; the common grid of a position is as high and as wide as
        the least high and the least wide map of any run there, of those with more than one row and column.

    Raises:
        UserError: See ``load_run`` and ``datamodules.inference.run_images``.
    """
    looked = [_look(folder, count) for folder in dict.fromkeys(folder.resolve() for folder in folders)]
    grids = common_grids(looked)
    # One model in memory at a time: VGG16 alone takes half a gigabyte.
    rows = [row for one in looked for row in _rows(one, grids)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def common_grids(looked: Sequence[Looked]) -> dict[str, tuple[int, int]]:
    """Return the common grid of each position, (height, width): see :func:`measure_runs`."""
    grids: dict[str, tuple[int, int]] = {}
    for place, (_, (_, height, width)) in (item for one in looked for item in one.layers.items()):
        if min(height, width) > 1:
            least = grids.get(place, (height, width))
            grids[place] = (min(height, least[0]), min(width, least[1]))
    return grids


def model_of(run: TrainedRun) -> Model:
    """Return the model of a run as those want it who look into layers."""
    backbone = run.classifier.backbone
    # timm's own models say so much of themselves; a network from elsewhere may not.
    stages = getattr(backbone, "feature_info", ())
    prefix = getattr(backbone, "num_prefix_tokens", 0)
    return Model(run.classifier, run.layers(), stages, prefix)


def placed(config: Config, data_dir: str | None) -> Config:
    """Return the configuration with the place where the images lie now."""
    if data_dir is None:
        return config
    return config.model_copy(update={"data_dir": data_dir})


def data_set_of(config: Config) -> str:
    """The source and, of those that stand for more than one set of images, the name of the folder or the zip."""
    source = config.data.source
    if source not in SEVERAL_SETS or not config.data_dir:
        return source
    return f"{source} {Path(config.data_dir).name.removesuffix('.zip')}"


def _look(folder: Path, count: int) -> Looked:
    samples = from_test_part(folder, read_config(folder), count)
    model = model_of(load_run(folder))
    shapes = layer_shapes(model, samples.images[0])
    return Looked(folder, samples, {place: (name, shapes[name]) for place, name in positions(model, shapes).items()})


def _rows(looked: Looked, grids: dict[str, tuple[int, int]]) -> Iterator[dict]:
    run = load_run(looked.run)
    predictions = read_predictions(looked.run).part("test")
    # A layer of one row or column has no grid in common with others: its own.
    own = {name: grids[place] if min(shape[1:]) > 1 else shape[1:] for place, (name, shape) in looked.layers.items()}
    found = measure(model_of(run), looked.samples.images, own)
    shared = {**_facts(run, predictions), "images": len(looked.samples.images)}
    for place, (name, shape) in looked.layers.items():
        yield {**shared, "position": place, "layer": name, **_numbers(shape, own[name], found[name])}


def _numbers(shape: tuple[int, int, int], grid: tuple[int, int], found: LayerSmoothness) -> dict:
    measured = asdict(found)
    return {
        **dict(zip(("channels", "height", "width"), shape, strict=True)),
        **dict(zip(("common_height", "common_width"), grid, strict=True)),
        "smoothness": measured["own"],
        "smoothness_common": measured["common"],
        "constant_maps": measured["constant"],
        "maps": measured["maps"],
    }


def _facts(run: TrainedRun, predictions: Predictions) -> dict:
    test = score(predictions)
    about = predictions.about
    values = evaluate(test.labels, test.probabilities, test.classes, test.positive_index)
    return {
        "run": "/".join(run.folder.parts[-3:]),  # its address, wherever output_dir lies
        "experiment": run.config.name,
        "network": run.network,
        "data_set": data_set_of(run.config),
        **{key: about.get(key) for key in ("protocol", "fold", "seed", "revision")},
        "accuracy": values["accuracy"],
        "test_images": len(test.labels),
    }


def _short(name: str) -> str:
    """The last part of an image's name, as much of its end as stands below a picture."""
    if len(name.split("/")[-1]) <= LONGEST:
        return name.split("/")[-1]
    return f"…{name[1 - LONGEST :]}"
