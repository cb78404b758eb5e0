"""The page itself: everything put together and written as one file that needs nothing else."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from common.cli import say, warn
from common.files import write_csv, write_text
from evaluation import tables
from evaluation.core.formats import heading
from evaluation.pages.blocks import Section
from evaluation.pages.rendering import render, template_file
from workflows.report import plots, results, summary
from workflows.report.comparison import comparison_sections
from workflows.report.gallery import Gallery, gallery
from workflows.report.request import ReportRequest
from workflows.report.sources import Chapter, read_chapters

PACKAGE = "workflows.report"  # of the templates
REST = 4_000_000  # bytes that tables, drawings and facts may take beside the pictures


@dataclass(frozen=True)
class Options:
    """A page shows so many test images at most, and is so large at most: pictures are left out beyond.

    ``real_names`` shows the names of subjects and images as they are, and folders whole.
    """

    images: int = 2000
    megabytes: float = 40
    real_names: bool = False


def report_runs(request: ReportRequest) -> None:
    """Write the page that the options ask for, and say what is on it."""
    options = Options(request.images, request.megabytes, request.real_names)
    shown = write_report(list(request.runs), request.page, options, request.key)
    pictures = f"{len(shown.data['items']):,} of {shown.total:,} test images, {len(shown.pictures):,} pictures"
    say(str(request.page), f"{pictures}, {request.page.stat().st_size / 1e6:.1f} MB")
    if request.real_names:
        warn("the page shows the names of subjects and images: handle it as patient data")


def write_report(folders: list[Path], path: Path, options: Options, key: Path | None = None) -> Gallery:
    """Write the page of one run, an ensemble, the folds of an experiment, or several experiments; return its images.

    The same runs give the same bytes. The file ``key`` leads from the names shown to the true ones.

    Raises:
        UserError: A folder is no run, or runs do not belong on one page.
    """
    chapters = read_chapters(folders)
    budget = max(0, int(options.megabytes * 1e6) - REST)
    images = gallery(chapters, options.images, budget, options.real_names)
    write_text(path, _render(chapters, images, options.real_names))
    if key is not None:
        write_csv(key, images.key)
    return images


def _render(chapters: list[Chapter], images: Gallery, real_names: bool) -> str:
    """Return the page as HTML."""
    title, *subtitle = heading(chapters[0].result.about).split(" · ")
    sections = []
    if len(chapters) > 1:
        title = f"{len(chapters)} experiments"
        subtitle = [", ".join(chapter.label for chapter in chapters)]
        sections = comparison_sections(chapters, real_names)
    return render(
        PACKAGE,
        "report.html.j2",
        title=title,
        subtitle=" · ".join(subtitle),
        notices=summary.notices(chapters, real_names),
        sections=sections,
        chapters=[_chapter(chapter, place, len(chapters), real_names) for place, chapter in enumerate(chapters, 1)],
        gallery=images,
        subjects=sorted({item["subject"] for item in images.data["items"] if item["subject"]}),
        real_names=real_names,
        # Letters, digits, + / and = alone: nothing in it can end the element.
        pictures=Markup("\n".join(base64.b64encode(picture).decode() for picture in images.pictures)),
        script=template_file(PACKAGE, "gallery.js"),
    )


def _chapter(chapter: Chapter, place: int, chapters: int, real_names: bool) -> dict[str, Any]:
    """Return what the template shows of one experiment."""
    result = chapter.result
    decision = "at a probability of 0.5" if result.positive_class else "by the most probable class"
    runs = []
    for run in chapter.runs:
        facts = summary.provenance(run, real_names)
        runs.append({"title": chapter.fold_of(run), "facts": facts, "config": summary.config_text(run, real_names)})
    return {
        "label": chapter.label,
        "name": f"experiment-{place}",
        "about": summary.about_rows(chapter),
        "parts": summary.parts_table(chapter),
        "tiles": summary.tiles(result),
        "decision": f"Predictions are made {decision}. Below each figure is its {tables.confidence(result)} interval.",
        "sections": _sections(chapter, f"-{place}" if chapters > 1 else "", real_names),
        "runs": runs,
    }


def _sections(chapter: Chapter, suffix: str, real_names: bool) -> list[Section]:
    result = chapter.result
    hidden = None
    if not real_names and summary.may_name_subjects(result):
        hidden = summary.ANOTHER_SET
    parts = tables.parts_table(result)
    sections = [
        results.warnings_section(result, f"limits{suffix}", hidden),
        results.members_section(chapter, f"ensemble{suffix}"),
        Section("Results on the test images", f"results{suffix}", tables.result_tables(result)),
        Section(
            "Right and wrong predictions",
            f"predictions{suffix}",
            figures=plots.confusion_figures(result) + plots.rank_figures(chapter),
        ),
        Section(
            "How certain the predictions are",
            f"sure{suffix}",
            tables.confidence_tables(result),
            plots.reliability_figures(result) + plots.risk_figures(chapter),
        ),
        Section("Training", f"training{suffix}", [parts] if parts else [], plots.training_figures(chapter)),
    ]
    return [section for section in sections if section]
