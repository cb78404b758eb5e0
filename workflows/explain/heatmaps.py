"""What scripts/explain.py joins for heat maps: the models, the images, and the files that a run is left."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track
from torch import nn

from common.cli import warn
from common.errors import UserError
from common.files import write_csv
from common.predictions import PROBABILITY_PREFIX, read_predictions
from common.runs.ensemble import is_ensemble, member_folders, read_ensemble
from common.thumbnails import HEATMAPS, THUMBNAILS, encode, read_pictures, write_pictures
from datamodules.inference.run_images import RunImages
from evaluation.ensembles.averaging import average
from evaluation.error_analysis.examples import FEW_CLASSES, PLAIN, RIGHT, WRONG, write_thumbnails
from evaluation.explain.attribution import Method, heat_maps, resolve, scaled
from evaluation.explain.localisation import hottest, measure
from evaluation.explain.plots import NONE, Panel, coloured, in_rows, panel_grid
from lightning_modules.load import TrainedRun, read_config
from workflows.explain.activations import model_of, placed
from workflows.explain.selection import Looked, Wish, choose, look, targets

AVERAGING = ("gradcam", "gradcam++")
PICTURE = 160  # pixels: where a run's own configuration wants no thumbnails
DRAWN = 24  # images of a figure, at most
PAIRS = 3  # side by side in a figure
LONGEST = 26  # characters of an image's name
COLUMNS = (
    "image_id",
    "label",
    "called",
    "target",
    "probability",
    "empty",
    "method",
    "layer",
    "pointing_hit",
    "energy_inside",
)
COLOURS = "colours from blue to dark red: each image by its own greatest value; no colour: nothing speaks for the class"


@dataclass(eq=False)
class Explained:
    """What became of a run's images.

    Attributes:
        looked: The run and its images.
        method: With the name of its layer.
        table: A row per image: image_id, label, called, target, probability (of the target), empty (nothing speaks for
            it), method, layer, pointing_hit and energy_inside (where the true place is known).
        pictures: Every map in colours, as WebP.
        heats: The first DRAWN maps, float, shape (H, W), 0 and more.
    """

    looked: Looked
    method: Method
    table: pd.DataFrame
    pictures: list[bytes]
    heats: list[np.ndarray]

    @property
    def stem(self) -> str:
        """How the files are called."""
        return f"{self.method.name}-{self.method.layer}"

    @property
    def drawn(self) -> int:
        """How many of the images a figure shows: those that there is a reason to show, or else the first."""
        return sum(bool(why) for why in self.looked.why) or len(self.heats)


def explain_all(folders: Sequence[Path], wish: Wish, out: Path | None) -> list[Path]:
    """Explain runs, each by itself, or side by side: those of an ensemble, and all where ``out`` says so.

    Args:
        folders: Runs and ensembles.
        wish: What is to be explained.
        out: PNG of all; None: a figure in the folder of each run, and of each ensemble.

    Returns:
        What was written.

    Raises:
        UserError: See ``heatmaps`` and ``beside_one_another``.
    """
    if out is not None:
        together = list(dict.fromkeys(run for folder in folders for run in members(folder)))
        if len(together) == 1:
            return heatmaps(together[0], wish, out)
        return beside_one_another(together, wish, out)
    written = []
    for folder in folders:
        if is_ensemble(folder):
            written += beside_one_another(members(folder), wish, folder / HEATMAPS / f"{wish.method}-members.png")
        else:
            written += heatmaps(folder, wish)
    return written


def heatmaps(folder: Path, wish: Wish, out: Path | None = None) -> list[Path]:
    """Explain one run: pictures, table and figure in ``<run>/heatmaps/``; of given files the figure alone.

    Returns:
        What was written.

    Raises:
        UserError: See ``look``, ``evaluation.explain.attribution`` and ``targets``.
    """
    found = explain(look(folder, wish), wish)
    if wish.files:
        written = []
    else:
        written = _files(found)
    figure = out or folder / HEATMAPS / f"{found.stem}{'-files' if wish.files else ''}.png"
    rows = _rows(found, [(_plain(found, number), _laid(found, number)) for number in range(found.drawn)])
    panel_grid(figure, rows, [""] * len(rows[0]), found.looked.test.about, _note(found))
    return [*written, figure]


def beside_one_another(folders: Sequence[Path], wish: Wish, out: Path) -> list[Path]:
    """Explain several runs on the same images: files as ``heatmaps`` leaves them, and one figure, a column per run.

    Which images, the mean of the runs' probabilities decides.

    Returns:
        What was written.

    Raises:
        UserError: See ``heatmaps``; and the runs share no test images, or have other classes or labels.
    """
    if wish.files:
        ids = None
    else:
        ids = _shared_images(folders, wish)
    written = []
    columns = []
    titles = ["image"]
    for folder in folders:
        found = explain(look(folder, wish, ids), wish)
        written += [] if wish.files else _files(found)
        numbers = range(found.drawn)
        columns += [] if columns else [[_plain(found, number) for number in numbers]]
        columns.append([_laid(found, number) for number in numbers])
        titles.append(f"{found.looked.run.config.name}\n{found.looked.run.network} at {found.method.layer}")
    about = {key: value for key, value in found.looked.test.about.items() if key in ("source", "synthetic", "protocol")}
    rows = list(zip(*columns, strict=True))
    panel_grid(out, rows, titles, {"name": f"{len(folders)} models", **about}, f"{wish.method}; {COLOURS}")
    return [*written, out]


def members(folder: Path) -> list[Path]:
    """Return the members of an ensemble; of a run, the run itself."""
    if is_ensemble(folder):
        return member_folders(folder, read_ensemble(folder))
    return [folder]


def write_missing(folder: Path, data_dir: str | None) -> Path:
    """Write the pictures of a run's test images that a newer ``train.py`` leaves by itself.

    Those of an ensemble are its members': they are made from the images of the first.

    Raises:
        UserError: The images are not there any more; or the run's configuration wants no thumbnails.
    """
    run = members(folder)[0]
    config = placed(read_config(run), data_dir)
    size = config.evaluation.thumbnails
    if not size:
        raise UserError(f"{run}: evaluation.thumbnails=0: this run is to have none")
    test = read_predictions(folder).part("test")
    served = RunImages(config)
    write_thumbnails(folder, test, served, served.rows(run, test.frame["image_id"]), size)
    return folder / THUMBNAILS


def explain(looked: Looked, wish: Wish) -> Explained:
    """Make the heat maps of a run's images.

    Raises:
        UserError: See ``targets`` and ``evaluation.explain.attribution``.
    """
    model = model_of(looked.run)
    classes = looked.test.classes
    method = resolve(wish.method, wish.layer, model, looked.image(0), wish.windows, wish.steps)
    warn(*cautions(looked.run, method))
    wanted = targets(looked, wish.target)
    size = looked.run.config.evaluation.thumbnails or PICTURE
    images = (looked.image(number) for number in range(len(looked)))
    rows = []
    pictures = []
    heats = []
    for number, heat in enumerate(shown(heat_maps(model, images, wanted, method), len(looked), str(looked.run.folder))):
        pictures.append(encode(coloured(scaled(heat, method.name)), size))
        heats += [heat] if number < DRAWN else []
        rows.append({"target": classes[wanted[number]], "empty": not heat.any(), **_localised(looked, number, heat)})
    frame = looked.test.frame[["image_id", "label"]].assign(called=[classes[index] for index in looked.called])
    table = pd.concat([frame, pd.DataFrame(rows)], axis=1)
    table["probability"] = looked.test.probabilities[np.arange(len(table)), wanted]
    return Explained(
        looked, method, table.assign(method=method.name, layer=method.layer)[list(COLUMNS)], pictures, heats
    )


def cautions(run: TrainedRun, method: Method) -> list[str]:
    """Say where a method is known to mislead."""
    if method.name not in AVERAGING or not any(
        isinstance(layer, nn.Flatten) for layer in run.classifier.head.children()
    ):
        return []
    return [
        f"{method.name} averages over all places, but the head of {run.config.name} tells them apart (flatten): "
        "its maps can be hot where the network did not look; hirescam keeps the places (Draelos and Carin, 2020)"
    ]


def shown(items: Iterator[np.ndarray], count: int, what: str) -> Iterator[np.ndarray]:
    """Yield items; on a terminal a bar on stderr says how many of ``count`` are done."""
    console = Console(stderr=True)
    yield from track(items, f"explaining {what}", total=count, console=console, disable=not console.is_terminal)


def _localised(looked: Looked, number: int, heat: np.ndarray) -> dict:
    truth = looked.truth(number)
    if truth is None:
        return {"pointing_hit": None, "energy_inside": None}
    found = measure(heat, truth.place, truth.chromosomes)
    return {"pointing_hit": found["pointing"], "energy_inside": found["energy"]}


def _files(found: Explained) -> list[Path]:
    """Write pictures and table; maps that an earlier call made of other images of this very model stay."""
    home = found.looked.run.folder / HEATMAPS
    pictures = home / f"{found.stem}.parquet"
    table = home / f"{found.stem}.csv"
    before, kept = _earlier(pictures, table, found)
    names = [*before["image_id"], *found.table["image_id"]]
    write_pictures(pictures, names, [*kept, *found.pictures], PICTURE)
    write_csv(table, pd.concat([before, found.table]), "%.6f")
    return [pictures, table]


def _earlier(pictures: Path, table: Path, found: Explained) -> tuple[pd.DataFrame, list[bytes]]:
    """The rows and pictures of an earlier call, of other images, that fit what the run predicts now."""
    if not (pictures.is_file() and table.is_file()):
        return found.table.iloc[:0], []
    words = dict.fromkeys(("image_id", "label", "called", "target"), str)  # a class may be called 1
    before = pd.read_csv(table, dtype=words)
    made = read_pictures(pictures)
    if list(before.columns) != list(COLUMNS):
        return found.table.iloc[:0], []
    now = found.looked.whole.frame.set_index("image_id")
    names = zip(before["image_id"], before["target"], before["probability"], strict=True)
    known = [
        name in made and name in now.index and abs(now[PROBABILITY_PREFIX + target][name] - probability) < 1e-5
        for name, target, probability in names
    ]
    before = before[np.array(known, bool) & ~before["image_id"].isin(found.table["image_id"])]
    return before, [made[name] for name in before["image_id"]]


def _shared_images(folders: Sequence[Path], wish: Wish) -> list[tuple[str, str]]:
    """The images that all runs were tested on, as ``choose`` chooses by the mean of their probabilities."""
    tests = [read_predictions(folder).part("test") for folder in folders]
    shared = set.intersection(*(set(test.frame["image_id"]) for test in tests))
    if not shared:
        raise UserError(f"{len(folders)} runs share no test image: name files with --images, or runs of one fold")
    some = [replace(test, frame=test.frame[test.frame["image_id"].isin(shared)]) for test in tests]
    if len(some) > 1:
        mean = average(some, list(map(str, folders)))
    else:
        mean = some[0]
    names = mean.frame["image_id"].tolist()
    return [(names[row], why) for row, why in choose(mean, wish, "the runs")]


def _rows(found: Explained, panels: list[tuple[Panel, Panel]]) -> list[list[Panel | None]]:
    """Pairs of image and map; of the showcase of a few classes each class has a row of its own."""
    columns = 2 * min(PAIRS, len(panels))
    labels = found.table["label"].tolist()[: len(panels)]
    if not any(found.looked.why) or len(found.looked.test.classes) > FEW_CLASSES:
        return in_rows([panel for pair in panels for panel in pair], columns)
    of_each = [
        [panel for pair, other in zip(panels, labels, strict=True) if other == label for panel in pair]
        for label in dict.fromkeys(labels)
    ]
    return [row for some in of_each for row in in_rows(some, columns)]


def _plain(found: Explained, number: int) -> Panel:
    """The image, why it is shown, and what it is."""
    row = found.table.iloc[number]
    why = found.looked.why[number]
    if isinstance(row["label"], str):
        label = f"is {row['label']}"
    else:
        label = ""
    said = ": ".join(part for part in (why, label) if part)
    return Panel(found.looked.image(number), f"{said}\n{_short(row['image_id'])}" if said else _short(row["image_id"]))


def _laid(found: Explained, number: int) -> Panel:
    """The image with its map, what it is called, and for which class the map speaks."""
    row = found.table.iloc[number]
    looked = found.looked
    sure = looked.test.probabilities[number, looked.called[number]]
    if not isinstance(row["label"], str):
        colour = PLAIN
    elif row["label"] == row["called"]:
        colour = RIGHT
    else:
        colour = WRONG
    if row["empty"]:
        speaks = f"{NONE} {row['target']}"
    else:
        speaks = f"heat for {row['target']}"
    if found.method.name == "eigencam":
        speaks = "whatever the class"
    else:
        speaks = speaks
    truth = looked.truth(number)
    caption = f"called {row['called']} {sure:.2f}\n{speaks}"
    shade = scaled(found.heats[number], found.method.name)
    place, point = (None, None) if truth is None else (truth.place, hottest(found.heats[number]))
    return Panel(looked.image(number), caption, colour, shade, place, point)


def _note(found: Explained) -> str:
    count = len(found.table)
    if count > found.drawn:
        some = f"{found.drawn} of {count:,} images; "
    else:
        some = ""
    return f"{some}{found.method.name} at {found.method.layer} of {found.looked.run.network}; {COLOURS}"


def _short(name: str) -> str:
    last = name.split("/")[-1]
    if len(last) <= LONGEST:
        return last
    return f"…{last[1 - LONGEST :]}"
