"""The page itself: everything put together and written as one file that needs nothing else."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from karyocyte.common.cli import say
from karyocyte.common.files import write_csv, write_text
from karyocyte.evaluation.pages.blocks import Figure, Section
from karyocyte.evaluation.pages.rendering import render, template_file
from karyocyte.evaluation.tables import tables
from karyocyte.evaluation.tables.comparison_tables import group_tables
from karyocyte.evaluation.tables.sentence import sentence
from karyocyte.evaluation.types.formats import heading
from karyocyte.workflows.report import summary
from karyocyte.workflows.report.gallery import Gallery, gallery
from karyocyte.workflows.report.sources import Chapter, read_chapters

PACKAGE = "karyocyte.workflows.report"  # of the templates


def write_report(runs: Sequence[Path], page: Path | None = None, most: int = 2000, key: Path | None = None) -> None:
    """Write the page of one run, an ensemble, the folds of an experiment, or several experiments; say what is on it.

    The same runs give the same bytes.

    Args:
        runs: Folders, or files of predictions.
        page: The file to write; None: report.html in the folder of a single run, else here.
        most: So many test images at most.
        key: Of a table from numbers to names; None: none is written.

    Raises:
        UserError: A folder is no run, or runs do not belong on one page.
    """
    chapters = read_chapters(list(runs))
    images = gallery(chapters, most)
    if page is None:
        folder = runs[0] if runs[0].is_dir() else runs[0].parent
        page = (folder if len(runs) == 1 else Path()) / "report.html"
    write_text(page, _render(chapters, images))
    if key is not None:
        write_csv(key, images.key)
    pictures = f"{len(images.data['items']):,} of {images.total:,} test images, {len(images.pictures):,} pictures"
    say(str(page), f"{pictures}, {page.stat().st_size / 1e6:.1f} MB")


def _render(chapters: list[Chapter], images: Gallery) -> str:
    """Return the page as HTML."""
    title, *subtitle = heading(chapters[0].result.about).split(" · ")
    sections = []
    if len(chapters) > 1:
        title = f"{len(chapters)} experiments"
        subtitle = [", ".join(images.data["chapters"])]
        compared = group_tables(images.data["chapters"], [chapter.result for chapter in chapters])
        sections = [Section("All experiments", "overview", compared)]
    return render(
        PACKAGE,
        "report.html.j2",
        title=title,
        subtitle=" · ".join(subtitle),
        notices=summary.notices(chapters),
        sections=sections,
        chapters=[_chapter(chapter, place, len(chapters)) for place, chapter in enumerate(chapters, 1)],
        terms=Section("Terms", "terms", facts={"": summary.terms()}),
        gallery=images,
        pictures=[base64.b64encode(picture).decode() for picture in images.pictures],
        more_style=template_file(PACKAGE, "report.css"),
        script=template_file(PACKAGE, "gallery.js"),
    )


def _chapter(chapter: Chapter, place: int, chapters: int) -> dict[str, Any]:
    """Return what the template shows of one experiment."""
    suffix = f"-{place}" if chapters > 1 else ""
    figures = _figures(chapter)
    return {
        "label": chapter.group.label,
        "sentence": sentence(chapter.result),
        "limits": summary.limits(chapter.result, of_all=True),
        "name": f"experiment-{place}",
        "decisive": figures[:1],
        "curves": Section("Curves", f"curves{suffix}", figures=figures[1:]),
        "folded": _folded(chapter, suffix),
    }


def _folded(chapter: Chapter, suffix: str) -> list[Section]:
    """Return what is read by those who want all of it: every figure, the data, and how the result was made."""
    result = chapter.result
    decision = "at a probability of 0.5" if result.positive_class else "by the most probable class"
    words = f"Predictions are made {decision}. Below each figure is its {tables.confidence(result)} interval."
    shown = [*tables.result_tables(result), *tables.confidence_tables(result)]
    parts = [summary.part_counts_table(chapter)]
    made = {chapter.fold_of(run): summary.provenance(run) for run in chapter.runs}
    return [
        Section("All metrics", f"metrics{suffix}", shown, intro=[words, *summary.limits(result, of_all=False)]),
        Section("Data and protocol", f"data{suffix}", parts, facts={"": summary.about_rows(chapter)}),
        Section("How it was made", f"made{suffix}", facts=made),
    ]


def _figures(chapter: Chapter) -> list[Figure]:
    """Return the pictures of a chapter, first the one that decides: the ROC of two classes, the confusions of more."""
    first, second = "confusion_matrix", "roc"
    if chapter.result.positive_class and "roc" in chapter.pictures:
        first, second = second, first
    pictures = dict(chapter.pictures)
    for run in chapter.runs:
        file = run.folder / "learning_curves.png"
        if file.is_file():
            pictures["learning_curves" + chapter.fold_of(run, ", ")] = file.read_bytes()
    figures = []
    for kind in (first, "learning_curves", second, "reliability", "risk_coverage"):
        wide = kind == "confusion_matrix" and len(chapter.result.classes) > tables.MANY_CLASSES
        for name in [each for each in pictures if each.startswith(kind)]:
            source = f"data:image/png;base64,{base64.b64encode(pictures[name]).decode()}"
            figures.append(Figure(kind, name.partition(",")[2], source, wide))
    return figures
