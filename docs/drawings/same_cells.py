"""Which names of C-NMC show the same cells, how surely, and how a network ranks the cells of pairs of persons."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from datamodules.manifest.same_cells import SameCells, joined
from karyocyte.common.paths import ROOT
from karyocyte.common.text import natural_key
from karyocyte.evaluation.intervals.seeds import run_groups
from karyocyte.evaluation.plots.plots import COLOURS, canvas
from karyocyte.evaluation.types.formats import interval
from karyocyte.runs.run import Run
from reproduction.evidence.same_cells import pairs_by_fold
from reproduction.persons.linked import deals_persons

RESULTS = ROOT / "results"
FOLDER = RESULTS / "cnmc"
NAMES = 49  # of the 7,650 images
GROUPS = {"two_classes": "of two classes: never one cell", "two_subjects": "of two names", "one_subject": "of one name"}
NETWORK = "resnet50_cut_block5"
SIDES = ("subject_left", "subject_right")


def names_that_share_cells() -> pd.DataFrame:
    """Return every two linked names with the number of their pairs of pictures, identical files among these."""
    cells = SameCells.read(FOLDER / "same_cells.csv").same
    files = pd.read_csv(FOLDER / "identical_files.csv", dtype=str)
    sides = [sorted(pair, key=natural_key) for pair in zip(*(cells[side] for side in SIDES), strict=True)]
    sides += [sorted(names.split(" "), key=natural_key) for names in files["subjects"] if " " in names]
    pairs = pd.DataFrame(sides, columns=["one", "other"]).query("one != other")
    return pairs.groupby(["one", "other"]).size().rename("pairs").reset_index()


def draw() -> None:
    """Draw the names as a graph, and how well registered pairs of pictures agree."""
    edges = names_that_share_cells()
    names_of_persons = joined(edges[["one", "other"]].to_numpy().tolist())
    persons = {name: min(names, key=natural_key) for names in names_of_persons for name in names}
    count = NAMES - len(persons) + len(set(persons.values()))
    title = f"{NAMES} names of C-NMC are at most {count} persons: their pictures show the same cells"
    with canvas(RESULTS / "recomputed" / "same_cells.png", (5.6, 9.0), title) as figure:
        left, right = figure.subplots(2, 1, height_ratios=(1.4, 1))
        _draw_names(left, edges, persons)
        _draw_correlations(right, pd.read_csv(FOLDER / "same_cells_correlations.csv"))


def _draw_names(axis: Axes, edges: pd.DataFrame, persons: dict[str, str]) -> None:
    """Draw the names of each person on a circle of its own, and beside a line how many pairs of pictures they share."""
    places: dict[str, np.ndarray] = {}
    circles = sorted(set(persons.values()), key=natural_key)
    for number, person in enumerate(circles):
        names = sorted((name for name in persons if persons[name] == person), key=natural_key)
        middle = np.array([3.2 * (number % 2), -2.9 * (number // 2)])
        for rank, name in enumerate(names):
            angle = 2 * np.pi * rank / len(names) + 0.4
            places[name] = middle + np.array([np.cos(angle), np.sin(angle)])
    for edge in edges.itertuples():
        ends = np.array([places[edge.one], places[edge.other]])
        axis.plot(*ends.T, color=COLOURS[7], linewidth=0.8 + np.log10(edge.pairs), zorder=1)
        x, y = ends.mean(axis=0)
        box = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
        axis.text(x, y, str(edge.pairs), fontsize=8, ha="center", va="center", zorder=2, bbox=box)
    style = {"boxstyle": "circle,pad=0.25", "facecolor": "white", "edgecolor": COLOURS[0]}
    for name, (x, y) in places.items():
        axis.text(x, y, name, fontsize=8, ha="center", va="center", zorder=3, bbox=style)
    axis.set(title="names, and pairs of pictures of one cell", xlim=(-1.5, 4.7), ylim=(-7.4, 1.5), aspect="equal")
    axis.set_axis_off()


def _draw_correlations(axis: Axes, table: pd.DataFrame) -> None:
    step = table["inside"].diff().iloc[1]
    for colour, line, (name, words) in zip(COLOURS, ("-", "--", "-."), GROUPS.items(), strict=False):
        axis.step(table["inside"] + step / 2, table[name].clip(0.5), line, where="mid", color=colour, label=words)
    axis.axvline(table["limit"].iloc[0], color=COLOURS[6], linestyle=":", label="limit")
    axis.set(yscale="log", ylim=(0.7, None), xlim=(0.6, 1.0), xlabel="agreement inside both outlines")
    axis.set(ylabel="registered pairs of pictures", title="the nearest pairs of pictures")
    axis.yaxis.set_major_formatter("{x:g}")
    axis.legend(fontsize=8, loc="upper right", bbox_to_anchor=(0.72, 1.0))


def runs_apart() -> list[Run]:
    """Return the runs of the network with persons apart by the names of their time, which are of one configuration."""
    runs = []
    for run in Run.find(RESULTS / "evidence" / NETWORK):
        if run.predictions.about["protocol"] == "subject" and not deals_persons(run):
            runs.append(run)
    (group,) = run_groups(runs)
    return group


def draw_pairs() -> None:
    """Draw how the network and the area rank the cells of each patient and each healthy person."""
    network, area = np.concatenate([pairs.reshape(2, -1) for pairs in pairs_by_fold(runs_apart())], axis=1)
    better = int((network > area).sum())
    kept = pd.read_csv(RESULTS / "recomputed" / "person_pairs.csv").set_index("name").loc[NETWORK]
    gain = interval(*kept[["difference", "difference_low", "difference_high"]])
    words = {(True, False): "is better", (False, True): "is worse"}
    said = words.get((kept["difference_low"] > 0, kept["difference_high"] < 0), "is not shown to be better")
    title = f"The network {said} than the area: mean difference {gain}"
    with canvas(RESULTS / "recomputed" / "person_pairs.png", (5.6, 5.6), title) as figure:
        axis = figure.subplots()
        axis.plot([0, 1], [0, 1], color=COLOURS[7], linewidth=1)
        above = f"pairs of persons: {better} of {len(network)} above the line"
        axis.plot(area, network, "o", color=COLOURS[0], alpha=0.6, markersize=5, label=above)
        means = f"means: {area.mean():.3f} and {network.mean():.3f}"
        axis.plot(area.mean(), network.mean(), "D", color=COLOURS[1], markersize=9, label=means)
        axis.legend(loc="lower left")
        axis.set(xlabel="AUC of the area of the cell", ylabel=f"AUC of {NETWORK}", xlim=(0.2, 1.02), ylim=(0.2, 1.02))
        axis.set_title("a dot: the cells of a patient and of a healthy person, neither trained on", fontsize=9)
