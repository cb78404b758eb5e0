"""The pictures of a page: those that a training or an evaluation draws, with words on how to read them."""

import base64

from karyocyte.evaluation.pages.blocks import Figure
from karyocyte.workflows.report.sources import Chapter

MANY_CLASSES = 8  # beyond, a confusion matrix needs the whole width


# By the beginning of a file's name: the caption of the picture, and how it is read.
WORDS = {
    "confusion_matrix": (
        "Confusion matrix",
        "Each line is a true class: how many of its images are predicted as what, and their share. Right predictions "
        "are on the diagonal from top left to bottom right.",
    ),
    "roc": (
        "ROC curve",
        "The nearer a curve comes to the top left corner, the better the images of a class are told from the others. "
        "The grey diagonal is guessing, a dotted curve a rule without a network; a dashed one is of training images, "
        "which the model knows.",
    ),
    "learning_curves": (
        "Learning curves",
        "Where training goes on to improve and validation does not, the model memorises its images.",
    ),
    "reliability": (
        "Reliability",
        "Of the predictions that are 80 % sure, 80 % should be right: bars below the dashed line are too sure of "
        "themselves, bars above it not sure enough.",
    ),
    "risk_coverage": (
        "Risk and coverage",
        "If the least sure images go to a person (to the left), how many of the others are predicted wrong? A curve "
        "that falls far to the left says that the model knows when it does not know.",
    ),
}


def figures(chapter: Chapter) -> list[Figure]:
    """Return the pictures of a chapter: the one that decides, the ROC of two classes or the confusions of more, first.

    The learning curves of each run follow, then all others.
    """
    of_two = chapter.result.positive_class is not None
    drawn = _pictures(chapter, *(("roc", "confusion_matrix") if of_two else ("confusion_matrix", "roc")))
    curves = []
    for run in chapter.runs:
        file = run.folder / "learning_curves.png"
        if file.is_file():
            curves.append(_figure("learning_curves", chapter.fold_of(run, ", "), file.read_bytes()))
    return [*drawn[:1], *curves, *drawn[1:], *_pictures(chapter, "reliability", "risk_coverage")]


def _pictures(chapter: Chapter, *kinds: str) -> list[Figure]:
    """Return the pictures of some kinds, which are keys of WORDS: the names of their files begin so."""
    found = []
    for kind in kinds:
        wide = kind == "confusion_matrix" and len(chapter.result.classes) > MANY_CLASSES
        found += [_figure(kind, "", png, wide) for name, png in chapter.pictures.items() if name.startswith(kind)]
    return found


def _figure(kind: str, fold: str, png: bytes, wide: bool = False) -> Figure:
    caption, reading = WORDS[kind]
    return Figure(f"{caption}{fold}", reading, f"data:image/png;base64,{base64.b64encode(png).decode()}", wide)
