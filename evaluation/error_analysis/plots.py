"""Pictures of the errors of several models: how many miss an image, how alike they are, and what all of them miss."""

import textwrap
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from common.thumbnails import decode
from evaluation.core.plots import COLOURS, canvas
from evaluation.error_analysis.agreement import missed, missed_by_class, missed_counts
from evaluation.error_analysis.calls import AlignedPredictions
from evaluation.error_analysis.examples import DPI, PLAIN, WRONG

# pictures in a row, and on a sheet
COLUMNS = 6
LIMIT = 36
LETTERS = 34  # of a line below a picture
LINE = 0.17  # inches of a line below a picture
# inches above the first row, and of a picture
TOP = 0.85
PICTURE = 2.2
TITLED = 0.02  # share of a figure above its title
WRAPPED = 118  # letters of a line of the key
MAPS = {
    "kappa": ("Cohen's kappa of the calls\n(1 the same, 0 as by chance)", "Blues"),
    "double_fault": ("double fault\n(share of images that both miss)", "Oranges"),
}


def missed_bars(path: Path, answers: AlignedPredictions) -> None:
    """Draw how many images exactly k models miss, by true class where there are two, and what chance would give."""
    with canvas(path, (max(6.4, 0.75 * len(answers.models) + 2.6), 4.6), answers.about) as figure:
        draw_missed(figure.subplots(), answers)


def draw_missed(axis: Axes, answers: AlignedPredictions) -> None:
    """Draw on given axes what ``missed_bars`` draws."""
    counts = missed_counts(answers)
    bars = {"x": counts["k"] - 0.14, "width": 0.52}
    below = np.zeros(len(counts))
    if len(answers.classes) == 2:
        for place, (name, rows) in enumerate(missed_by_class(answers).groupby("true_class", sort=False)):
            images = rows["images"].to_numpy()
            axis.bar(**bars, height=images, bottom=below, color=COLOURS[place], label=f"is {name}")
            below += images
    else:
        axis.bar(**bars, height=counts["images"], color=COLOURS[0], label="counted")
    independent = {"height": counts["independent"], "width": 0.2, "color": "#C4C4C4"}
    axis.bar(counts["k"] + 0.26, **independent, label="if they erred independently")
    for row in counts.itertuples():
        text = f"{row.images:,}\n{100 * row.share:.1f} %"
        place = (row.k - 0.14, row.images)
        axis.annotate(text, place, (0, 4), textcoords="offset points", ha="center", fontsize=9.5)
    axis.set(xlabel=f"missed by exactly k of {len(answers.models)} models", ylabel="test images")
    axis.set_xticks(counts["k"])
    axis.margins(y=0.18)
    axis.grid(visible=False, axis="x")
    axis.legend()


def agreement_maps(path: Path, answers: AlignedPredictions, pairs: pd.DataFrame) -> None:
    """Draw Cohen's kappa and the double fault of every pair.

    Args:
        path: PNG to write.
        answers: The models.
        pairs: What ``errors.agreement`` says of them.
    """
    many = len(answers.models)
    side = max(2.6, 0.56 * many)
    with canvas(path, (2 * side + 2.6 + 0.09 * max(map(len, answers.models)), side + 1.6), answers.about) as figure:
        axes = figure.subplots(1, 2)
        for axis, name in zip(axes, MAPS, strict=True):
            title, colours = MAPS[name]
            _heat(axis, answers.models, pairs, name, colours)
            axis.set_title(title)
        axes[0].set_yticks(range(many), [f"{model}  {place}" for place, model in enumerate(answers.models, 1)])
        axes[1].set_yticks(range(many), range(1, many + 1))


def shown_on_sheet(answers: AlignedPredictions) -> pd.DataFrame:
    """Return the rows of ``errors.missed`` that all models miss; where there are none, those that most of them miss.

    Empty where no model misses any image.
    """
    table = missed(answers)
    return table[(table["missed_by"] == table["missed_by"].max()) & (table["missed_by"] > 0)]


def missed_sheet(path: Path, answers: AlignedPredictions, pictures: Mapping[str, bytes]) -> int:
    """Draw the images that all models miss (or most of them) with each model's call and its probability.

    Args:
        path: PNG to write; without a picture of any of them nothing is written.
        answers: The models.
        pictures: WebP bytes by image_id, see ``common.thumbnails``; others than those shown are passed over.

    Returns:
        How many pictures were drawn.
    """
    rows = shown_on_sheet(answers)
    drawn = rows[rows["image_id"].isin(pictures.keys())].head(LIMIT)
    if drawn.empty:
        return 0
    images = [decode(pictures[image_id]) for image_id in drawn["image_id"]]
    captions = [_caption(answers, row) for row in drawn.itertuples()]
    captioned = LINE * max(map(len, captions)) + 0.25
    lines = -(-len(drawn) // COLUMNS)
    key = textwrap.wrap(" · ".join(f"{place}\xa0{model}" for place, model in enumerate(answers.models, 1)), WRAPPED)
    high = PICTURE * min(max(max(image.shape[0] / image.shape[1] for image in images), 0.5), 1.4)
    below = (high + captioned) * lines
    height = (TOP + 0.19 * len(key) + below) / (1 - TITLED)
    top = height - below
    margins = {"left": 0.01, "right": 0.99, "top": 1 - top / height, "bottom": captioned / height}
    with canvas(path, (2.35 * COLUMNS, height), answers.about, layout="none", dpi=DPI) as figure:
        gaps = {"wspace": 0.06, "hspace": captioned / high}
        grid = figure.subplots(lines, COLUMNS, squeeze=False, gridspec_kw={**margins, **gaps})
        words = [_heading(answers, rows, len(drawn)), *key]
        figure.text(0.01, 1 - TITLED - 0.32 / height, "\n".join(words), fontsize=10, va="top", linespacing=1.35)
        for axis in grid.flat:
            axis.set_axis_off()
        for axis, image, caption in zip(grid.flat, images, captions, strict=False):
            axis.set_anchor("S")
            axis.imshow(image)
            _write(axis, caption)
    return len(drawn)


def _heat(axis: Axes, models: tuple[str, ...], pairs: pd.DataFrame, name: str, colours: str) -> None:
    place = {model: index for index, model in enumerate(models)}
    values = np.full((len(models), len(models)), np.nan)
    for row in pairs.to_dict("records"):
        one = place[row["first"]]
        two = place[row["second"]]
        values[one, two] = values[two, one] = row[name]
    if name == "kappa":
        top = 1.0
    else:
        top = max(float(np.nanmax(values)), 0.01)
    axis.imshow(values, cmap=colours, vmin=0, vmax=top)
    for one, two in np.ndindex(values.shape):
        if one != two:
            value = values[one, two]
            if value > 0.6 * top:
                colour = "white"
            else:
                colour = "black"
            if np.isnan(value):
                text = "-"
            else:
                text = f"{value:.2f}"
            axis.text(two, one, text, ha="center", va="center", color=colour, fontsize=9.5)
    axis.set_xticks(range(len(models)), range(1, len(models) + 1))
    axis.grid(visible=False)
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)


def _heading(answers: AlignedPredictions, rows: pd.DataFrame, drawn: int) -> str:
    many = len(answers.models)
    most = int(rows["missed_by"].iloc[0])
    if most == many:
        said = f"missed by all {many} models"
    else:
        said = f"no image is missed by all: these by {most} of {many}"
    if drawn == len(rows):
        part = f"{len(rows):,} images"
    else:
        part = f"{drawn} of {len(rows):,} images"
    return f"{said}, {part}, the least probability for the truth first; what each model calls, and how probable it is"


def _caption(answers: AlignedPredictions, row: tuple) -> list[tuple[str, str]]:
    """The truth, then what each model calls with its probability, then the image, each line with its colour."""
    place = int(np.flatnonzero(answers.image_ids == row.image_id)[0])
    said = []
    for model, called in enumerate(answers.called[:, place]):
        probability = answers.probabilities[model, place, called]
        said.append(f"{model + 1}:\xa0{answers.classes[called]}\xa0{probability:.2f}")
    lines = textwrap.wrap("  ".join(said), LETTERS, break_long_words=False)
    if len(row.image_id) <= LETTERS:
        image = row.image_id
    else:
        image = f"…{row.image_id[1 - LETTERS :]}"
    return [(f"is {row.label}", PLAIN), *((line, WRONG) for line in lines), (image, "#888888")]


def _write(axis: Axes, caption: list[tuple[str, str]]) -> None:
    for place, (text, colour) in enumerate(caption):
        at = {"xy": (0.5, 0.0), "xycoords": "axes fraction", "xytext": (0, -3 - 72 * LINE * place)}
        style = {"textcoords": "offset points", "ha": "center", "va": "top", "fontsize": 8.5, "color": colour}
        axis.annotate(text, **at, **style)
