"""The drawings of a page, as pictures within it; narrow enough to be read on a phone, and the same at every making."""

import base64
import textwrap
from collections.abc import Callable
from io import BytesIO

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator, PercentFormatter

from evaluation.core import plots as figures
from evaluation.core.labelled import cases, score
from evaluation.core.plots import COLOURS, STYLE
from evaluation.intervals.pooling import pool
from evaluation.report.blocks import Figure, interval, per_cent, words_of
from evaluation.report.sources import Chapter
from evaluation.uncertainty import plots as triage_figures
from evaluation.uncertainty.selective import curves

WIDTH = 5.0  # inches
MIXED = 3  # so many mix-ups are named where a matrix is too large to be read out
PANELS = ("loss", "auc", "acc")
LINES = 30  # letters of a line beside a drawing
LETTERS = 18  # of a class beside a matrix


def as_picture(draw: Callable[[Canvas], None], size: tuple[float, float]) -> str:
    """Draw in the house's style and return the SVG as a data URI, the same bytes for the same drawing."""
    with mpl.rc_context({**STYLE, "svg.hashsalt": "karyocyte"}):
        canvas = Canvas(figsize=size, layout="constrained")
        draw(canvas)
        file = BytesIO()
        canvas.savefig(file, format="svg", bbox_inches="tight", pad_inches=0.06, metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(file.getvalue()).decode()


def drawn_curves(chapter: Chapter) -> list[Figure]:
    """Draw the learning curves of each run that has some."""
    drawn = []
    for source in chapter.sources:
        history = source.history
        about = source.predictions.about
        panels = [name for name in PANELS if {f"train/{name}", f"val/{name}"} & set(history.columns)][:2]
        if not panels:
            continue
        if len(chapter.sources) > 1:
            fold = f", fold {about.get('fold')}"
        else:
            fold = ""
        size = (WIDTH, 0.9 + 1.8 * len(panels))

        def draw(
            canvas: Canvas, history: pd.DataFrame = history, about: dict = about, panels: list[str] = panels
        ) -> None:
            figures.draw_curves(canvas, history, about, panels)

        drawn.append(
            Figure(
                f"Learning curves{fold}",
                "Where training goes on to improve and validation does not, the model learns its pictures by heart.",
                f"{' and '.join(panels)} of training and validation over {len(history)} epochs",
                as_picture(draw, size),
            )
        )
    return drawn


def drawn_confusion(judgement: dict) -> list[Figure]:
    """Draw the confusion matrix; of two classes also at the chosen threshold; of cells also placed jointly."""
    test = judgement["test"]
    two = judgement["positive_class"] is not None
    if not test["images"]:
        return []
    matrices = {"at 0.5" if two else "most probable class": test["confusion"]}
    if test["confusion_at_threshold"] is not None:
        matrices[f"at {figures.threshold_of(judgement)}, chosen on validation"] = test["confusion_at_threshold"]
    if judgement.get("assignment"):
        matrices["chromosomes of a cell placed jointly"] = judgement["assignment"]["confusion"]
    classes = judgement["classes"]
    side = max(4.4, 0.5 * len(classes) + 0.8)

    def drawing(counts: list[list[int]]) -> str:
        def draw(canvas: Canvas) -> None:
            axis = canvas.subplots()
            figures.matrix(axis, np.array(counts), [_short(name) for name in classes])
            axis.set_ylabel("true")

        return as_picture(draw, (side, side))

    reading = (
        "Each line is a true class: how many of its images are called what, and their share. Right calls are on the "
    )
    return [
        Figure(
            f"Confusion matrix, {title}",
            f"{reading}diagonal from top left to bottom right.",
            _read_out(counts, classes),
            drawing(counts),
            wide=len(classes) > 8,
        )
        for title, counts in matrices.items()
    ]


def drawn_ranks(chapter: Chapter) -> list[Figure]:
    """Draw ROC and precision-recall curves, where they are defined."""
    judgement = chapter.judgement
    drawn = []
    metrics = judgement["test"]["metrics"]
    two = judgement["positive_class"] is not None
    if metrics["auc"]["value"] is None:
        return []
    test = score(pool(list(chapter.group.runs)))
    if two:
        name = f"“{judgement['positive_class']}”"
    else:
        name = "a class's"
    if two:
        others = ""
    else:
        others = " Each class against all others; of many, those that are told apart worst have colours."
    drawn.append(
        Figure(
            "ROC curve",
            f"The nearer a curve comes to the top left corner, the better {name} images are told from the "
            f"others. The dashed line is guessing.{others}",
            f"Sensitivity against 1 - specificity; AUC {interval(metrics['auc'])}",
            as_picture(lambda canvas: figures.draw_roc(canvas.subplots(), judgement, test), (WIDTH, WIDTH)),
        )
    )
    drawn.append(
        Figure(
            "Precision and recall",
            "Upwards: how many of the images called so are so. To the right: how many of them are found. To find more, "
            "one takes more false calls." + others,
            f"Precision against sensitivity; average precision {interval(metrics['average_precision'])}",
            as_picture(
                lambda canvas: figures.draw_precision_recall(canvas.subplots(), judgement, test), (WIDTH, WIDTH)
            ),
        )
    )
    return drawn


def drawn_reliability(judgement: dict) -> list[Figure]:
    """Draw the reliability diagram as trained, and after scaling where there is a temperature."""
    found = judgement.get("calibration")
    if not found:
        return []
    sides = {"as trained": found["before"]}
    if found["after"]:
        sides[f"after scaling, temperature {triage_figures.temperature_of(found['temperature'])}"] = found["after"]
    if len(judgement["classes"]) == 2:
        lowest = 0.5
    else:
        lowest = 0.0

    def drawing(side: dict) -> str:
        def draw(canvas: Canvas) -> None:
            upper, lower = canvas.subplots(2, 1, height_ratios=(3, 1), sharex=True)
            triage_figures.diagram(upper, side, lowest)
            triage_figures.bin_counts(lower, side)
            upper.set_ylabel("share of right calls")
            upper.legend(loc="upper left")
            lower.set(xlabel="probability of the called class", ylabel="images", xlim=(lowest - 0.01, 1.01))

        return as_picture(draw, (WIDTH, 5.2))

    return [
        Figure(
            f"Reliability, {title}",
            "Of the calls that are 80 % sure, 80 % should be right: bars below the dashed line are too sure of "
            "themselves, bars above it not sure enough.",
            f"Share of right calls against the stated probability; expected calibration error {side['ece']:.3f}",
            drawing(side),
        )
        for title, side in sides.items()
    ]


def drawn_risk(chapter: Chapter) -> list[Figure]:
    """Draw risk against coverage, where there is triage."""
    triage = chapter.judgement.get("triage")
    if not triage:
        return []
    found = curves([cases(run.part("test")) for run in chapter.group.runs])

    def draw(canvas: Canvas) -> None:
        axis = canvas.subplots()
        triage_figures.draw_risk_coverage(axis, triage, found)
        axis.set(xlabel="coverage: decided without a person, the surest first")
        axis.set(ylabel="risk: share of wrong calls among them")
        canvas.legend(loc="outside lower center", ncols=1)

    first = next(iter(triage["risk_coverage"].values()))
    return [
        Figure(
            "Risk and coverage",
            "If the least sure images go to a person (to the left), how many of the others are called wrongly? A curve "
            "that falls far to the left says that the model knows when it does not know. AURC is the area below it.",
            f"Risk against coverage; area {first['aurc']:.4f} by probability, {first['wrong']:,} calls wrong",
            as_picture(draw, (WIDTH, 5.0)),
        )
    ]


def drawn_forest(chapters: list[Chapter], metric: str) -> Figure:
    """Draw one metric of all chapters with its intervals, the best on top."""
    found = [(chapter.label, chapter.judgement["test"]["metrics"][metric]) for chapter in chapters]
    found.sort(key=lambda pair: pair[1]["value"])
    title = words_of(metric, [], None)[0]
    names = [textwrap.fill(label, LINES) for label, _ in found]
    # A name of many lines takes their room.
    rooms = np.array([1.2 + 0.8 * name.count("\n") for name in names])
    places = rooms.cumsum() - rooms / 2

    def draw(canvas: Canvas) -> None:
        axis = canvas.subplots()
        for place, (_, one) in zip(places, found, strict=True):
            ends = [one["value"] if one[end] is None else one[end] for end in ("low", "high")]
            axis.plot(ends, [place, place], color=COLOURS[0])
            axis.plot(one["value"], place, "o", color=COLOURS[0])
        axis.set_yticks(places, names)
        axis.set(xlabel=title, ylim=(0, rooms.sum()))

    best = found[-1]
    return Figure(
        f"{title} of all experiments".capitalize() if title.islower() else f"{title} of all experiments",
        "Dots are what was measured, lines the range of each.",
        f"{title}: {best[0]} is highest, {interval(best[1])}; {found[0][0]} is lowest, {interval(found[0][1])}",
        as_picture(draw, (WIDTH, 0.7 + 0.3 * rooms.sum())),
    )


def drawn_misses(counts: pd.DataFrame) -> Figure:
    """Draw how many images are missed by exactly k models."""

    def draw(canvas: Canvas) -> None:
        axis = canvas.subplots()
        bars = axis.bar(counts["k"], counts["share"], color=COLOURS[0])
        axis.bar_label(bars, [f"{images:,}" for images in counts["images"]])
        if "independent" in counts:
            share = counts["independent"] / counts["images"].sum()
            axis.plot(counts["k"], share, "D", color=COLOURS[1], label="if they erred independently")
            axis.legend()
        axis.set(xlabel="missed by so many models", ylabel="share of the test images")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.yaxis.set_major_formatter(PercentFormatter(1))

    last = counts.iloc[-1]
    return Figure(
        "Missed together",
        "A high last bar means that the models share their errors: the same images are hard for all. The orange marks "
        "show what would be seen if their errors had nothing to do with one another.",
        f"{int(last['images']):,} images ({per_cent(last['share'])}) are missed by all {int(last['k'])} models",
        as_picture(draw, (WIDTH, 3.6)),
    )


def _short(name: str) -> str:
    if len(name) <= LETTERS:
        return name
    return f"{name[: LETTERS - 1]}…"


def _read_out(counts: list[list[int]], classes: list[str]) -> str:
    if len(classes) == 2:
        lines = [
            f"of {sum(row):,} {name}, " + " and ".join(f"{row[k]:,} are called {classes[k]}" for k in range(2))
            for name, row in zip(classes, counts, strict=True)
        ]
        return "; ".join(lines)
    wrong = np.array(counts)
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:MIXED]
    pairs = [(wrong.flat[place], *divmod(int(place), len(classes))) for place in order if wrong.flat[place]]
    said = ", ".join(f"{classes[row]} for {classes[column]} ({count:,})" for count, row, column in pairs)
    return f"{len(classes)} classes; most often taken: {said or 'none for another'}"
