"""Pictures of a search over settings (paper 001, figures 3.3 and 3.4)."""

from numbers import Number
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator, NullLocator

from evaluation.core.plots import COLOURS, NAMES, canvas

COLOUR_MAP = "viridis"
SIZE = 64  # of a mark, square points
MARK = "#777777"  # in the legend, where the colour says nothing
TOP = 0.985  # where failed trials stand, share of the panel's height
WORDS = {**NAMES, "batch_size": "batch size", "loss": "loss", "max_epochs": "epochs"}


def scatter(path: Path, trials: pd.DataFrame, key: str, log: bool, monitor: str, about: dict) -> None:
    """Draw the validation loss of each trial over the value of one key, coloured by the validation accuracy.

    Finished trials are filled and pruned ones hollow, both at their best epoch; failed ones, which have no loss, are
    crosses at the top edge. A ring marks the best trial.

    Args:
        path: PNG to write.
        trials: A row per trial: ``state`` ("finished", "pruned", "failed"; others are not drawn), ``val_loss``,
            ``val_acc`` (0-1), the column ``key`` and the column ``monitor``.
        key: The searched key.
        log: Whether its values were drawn on a logarithmic scale.
        monitor: The metric that says what is best: of a loss the lowest, of anything else the highest.
        about: Facts for the title.
    """
    drawn = trials[trials["state"].isin(["finished", "pruned", "failed"]) & trials[key].notna()]
    places = _places(drawn[key])
    failed = (drawn["state"] == "failed").to_numpy()
    known = ~failed & drawn["val_loss"].notna().to_numpy()
    with canvas(path, (7.4, 5.2), about) as figure:
        axis = figure.subplots()
        _scale(axis, drawn[key], places, log)
        _losses(figure, axis, drawn[known], places[known])
        _ring(axis, drawn, places, known, monitor)
        if failed.any():
            edge = {"transform": axis.get_xaxis_transform(), "clip_on": False, "zorder": 4}
            label = f"failed ({failed.sum()})"
            heights = np.full(failed.sum(), TOP)
            axis.scatter(places[failed], heights, SIZE, COLOURS[1], "x", linewidths=2, label=label, **edge)
        axis.set(xlabel=f"{_word(key)} ({key})", ylabel="validation loss at the best epoch")
        if len(drawn):
            figure.legend(loc="outside lower center", ncols=4)


def _losses(figure: Figure, axis: Axes, trials: pd.DataFrame, places: np.ndarray) -> None:
    """Draw the trials that have a loss."""
    if trials.empty:
        axis.set(ylim=(0, 1), yticks=[])
        return
    accuracy = trials["val_acc"].to_numpy(np.float64)
    low = np.nanmin(accuracy, initial=1.0)
    high = np.nanmax(accuracy, initial=0.0)
    if low < high:
        norm = Normalize(low, high)
    else:
        norm = Normalize(0, 1)
    colours = mpl.colormaps[COLOUR_MAP](norm(accuracy))
    losses = trials["val_loss"].to_numpy(np.float64)
    for state, faces in (("finished", colours), ("pruned", "none")):
        rows = (trials["state"] == state).to_numpy()
        if rows.any():
            style = {"edgecolors": colours[rows], "linewidths": 1.8, "zorder": 3}
            mark = {"edgecolors": MARK, "linewidths": 1.8, "label": f"{state} ({rows.sum()})"}
            if isinstance(faces, str):
                filled = faces
            else:
                filled = faces[rows]
            axis.scatter(places[rows], losses[rows], SIZE, facecolors=filled, **style)
            axis.scatter([], [], SIZE, facecolors=MARK if state == "finished" else "none", **mark)
    # One bad trial's loss would flatten all others; and the topmost must not meet the crosses.
    if losses.max() > 5 * losses.min() > 0:
        axis.set_yscale("log")
        axis.yaxis.set(major_locator=LogLocator(subs=(1, 2, 5)), minor_locator=NullLocator())
        axis.yaxis.set_major_formatter("{x:g}")
    axis.margins(y=0.12)
    bar = figure.colorbar(mpl.cm.ScalarMappable(norm, COLOUR_MAP), ax=axis, pad=0.02)
    bar.set_label("validation accuracy")


def _ring(axis: Axes, trials: pd.DataFrame, places: np.ndarray, known: np.ndarray, monitor: str) -> None:
    """Mark the best of the finished trials."""
    finished = known & (trials["state"] == "finished").to_numpy() & trials[monitor].notna().to_numpy()
    if not finished.any():
        return
    values = trials[monitor].to_numpy(np.float64) * (-1 if monitor.endswith("loss") else 1)
    best = np.where(finished, values, -np.inf).argmax()
    label = f"best by validation {_word(monitor.split('/')[-1])}"
    style = {"facecolors": "none", "edgecolors": "black", "linewidths": 1.6, "zorder": 5, "label": label}
    axis.scatter(places[best], trials["val_loss"].iloc[best], 4 * SIZE, **style)


def _places(values: pd.Series) -> np.ndarray:
    """Where values stand on the axis: numbers at their own, words one beside the other."""
    if all(isinstance(value, Number) and not isinstance(value, bool) for value in values):
        return values.to_numpy(np.float64)
    order = {value: place for place, value in enumerate(sorted(values.unique(), key=str))}
    return values.map(order).to_numpy(np.float64)


def _scale(axis: Axes, values: pd.Series, places: np.ndarray, log: bool) -> None:
    """A logarithmic axis where the search had one, or where few numbers double and double again; else plain."""
    few = np.unique(places)
    if log:
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter("{x:g}")
    elif len(few) > 1 and len(few) <= 10:
        words = dict(zip(places, values, strict=True))
        if few.min() > 0 and few.max() >= 4 * few.min():
            axis.set_xscale("log", base=2)
        axis.xaxis.set(major_locator=FixedLocator(list(few)), minor_locator=NullLocator())
        axis.xaxis.set_major_formatter(lambda place, _: f"{words.get(place, place)}")


def _word(key: str) -> str:
    last = key.split(".")[-1]
    return WORDS.get(last, last.replace("_", " "))
