"""The page itself: everything put together and written as one file that needs nothing else."""

import base64
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from karyocyte.common.cli import say
from karyocyte.common.files import write_csv, write_text
from karyocyte.evaluation.metrics.classification import in_words
from karyocyte.evaluation.pages.blocks import Section
from karyocyte.evaluation.pages.rendering import render, template_file
from karyocyte.evaluation.tables import tables
from karyocyte.evaluation.tables.comparison_tables import group_tables
from karyocyte.evaluation.types.formats import heading
from karyocyte.evaluation.types.result import EvaluationResult
from karyocyte.workflows.report import plots, summary
from karyocyte.workflows.report.gallery import Gallery, gallery
from karyocyte.workflows.report.sources import Chapter, read_chapters

PACKAGE = "karyocyte.workflows.report"  # of the templates
PAIRS = "Whether two of them differ, image by image: python scripts/evaluate.py with the same runs."


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
        results = [chapter.result for chapter in chapters]
        compared = group_tables(images.data["chapters"], results)
        sections = [Section("All experiments", "overview", compared, intro=[PAIRS])]
    of_chapters = [_chapter(chapter, place, len(chapters)) for place, chapter in enumerate(chapters, 1)]
    return render(
        PACKAGE,
        "report.html.j2",
        title=title,
        subtitle=" · ".join(subtitle),
        notices=summary.notices(chapters),
        sections=sections,
        chapters=of_chapters,
        gallery=images,
        # Letters, digits, + / and = alone: nothing in it can end the element.
        pictures=Markup(b"\n".join(map(base64.b64encode, images.pictures)).decode()),
        script=template_file(PACKAGE, "gallery.js"),
    )


def _chapter(chapter: Chapter, place: int, chapters: int) -> dict[str, Any]:
    """Return what the template shows of one experiment."""
    result = chapter.result
    decision = "at a probability of 0.5" if result.positive_class else "by the most probable class"
    runs = [{"title": chapter.fold_of(run), "facts": summary.provenance(run)} for run in chapter.runs]
    suffix = f"-{place}" if chapters > 1 else ""
    return {
        "label": chapter.group.label,
        "diagnosis": summary.diagnosis(result),
        "classes": tables.classes_table(result, two=True),
        "name": f"experiment-{place}",
        "about": summary.about_rows(chapter),
        "parts": summary.part_counts_table(chapter),
        "decision": f"Predictions are made {decision}. Below each figure is its {tables.confidence(result)} interval.",
        "sections": list(filter(None, _sections(chapter, suffix))),
        "runs": runs,
    }


def _sections(chapter: Chapter, suffix: str) -> list[Section]:
    result = chapter.result
    # That of the classes is at the beginning.
    of_test = [each for each in tables.result_tables(result) if each.title != tables.CLASSES]
    return [
        _warnings(result, f"limits{suffix}"),
        Section("Results on the test images", f"results{suffix}", of_test),
        Section(
            "Right and wrong predictions",
            f"predictions{suffix}",
            figures=plots.pictures(chapter, ("confusion_matrix", "roc")),
        ),
        Section(
            "How certain the predictions are",
            f"sure{suffix}",
            tables.confidence_tables(result),
            plots.pictures(chapter, ("reliability", "risk_coverage")),
        ),
        Section(
            "Training",
            f"training{suffix}",
            figures=plots.curves(chapter),
        ),
    ]


def _warnings(result: EvaluationResult, name: str) -> Section:
    """The warnings, metrics named as in the tables; those of the validation images in one line."""
    warnings = result.warnings_except("validation")
    titles = {metric: in_words(metric)[0] for metric in result.metrics}
    lines = [re.sub(r"[^\s,()]+", lambda word: titles.get(word[0], word[0]), str(warning)) for warning in warnings]
    others = len(result.warnings) - len(warnings)
    if others:
        lines.append(f"{others} more about the validation images are in metrics.json of the run")
    return Section("What limits these figures", name, intro=lines)
