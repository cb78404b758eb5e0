"""The page itself: everything put together and written as one file that needs nothing else."""

import base64
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from common.files import write_csv, write_text
from evaluation.core.headings import heading
from evaluation.report import plots, results, summary
from evaluation.report.blocks import Section, Table
from evaluation.report.comparison import errors_section, overview_section, pairs_section
from evaluation.report.ensemble import members_section
from evaluation.report.gallery import Gallery, gallery
from evaluation.report.sources import Chapter, read_chapters

IMAGES = 2000
MEGABYTES = 40
REST = 4_000_000  # bytes that tables, drawings and facts may take beside the pictures


@dataclass(frozen=True)
class Options:
    """How a page is made.

    Attributes:
        images: Test images that it shows at most.
        megabytes: How large it may be; pictures are left out beyond.
        real_names: Show the names of subjects and images as they are, and folders whole.
    """

    images: int = IMAGES
    megabytes: float = MEGABYTES
    real_names: bool = False


@dataclass(frozen=True)
class Making:
    """What a run was made with: its title among several, facts, and the configuration as YAML."""

    title: str
    facts: dict[str, str]
    config: str


@dataclass(frozen=True)
class ChapterView:
    """The part of a page about one experiment.

    Attributes:
        label: Its heading among several.
        name: Of its anchor.
        about: Facts.
        parts: Images of each part.
        tiles: The figures that a reader sees first.
        decision: How an image is decided, in a sentence.
        sections: Tables and drawings.
        made: Of each run.
    """

    label: str
    name: str
    about: dict[str, str]
    parts: Table
    tiles: list[summary.Tile]
    decision: str
    sections: list[Section]
    made: list[Making]


@dataclass(frozen=True)
class PageSize:
    """What a page holds: images shown, of how many, different pictures, and bytes."""

    images: int
    total: int
    pictures: int
    bytes: int


def write_report(folders: list[Path], path: Path, options: Options, key: Path | None = None) -> PageSize:
    """Write the page of one run, an ensemble, the folds of an experiment, or several experiments.

    Args:
        folders: Run folders.
        path: The file; the same runs give the same bytes.
        options: How it is made.
        key: Where to write what leads from the names shown to the true ones; None for nowhere.

    Raises:
        UserError: A folder is no run, or runs do not belong on one page.
    """
    chapters = read_chapters(folders)
    budget = max(0, int(options.megabytes * 1e6) - REST)
    shown = gallery(chapters, options.images, budget, options.real_names)
    write_text(path, render(chapters, shown, options))
    if key is not None:
        write_csv(key, shown.key)
    return PageSize(len(shown.data["items"]), shown.total, len(shown.pictures), path.stat().st_size)


def render(chapters: list[Chapter], shown: Gallery, options: Options) -> str:
    """Return the page as HTML."""
    title, *subtitle = heading(chapters[0].result.about).split(" · ")
    sections = []
    if len(chapters) > 1:
        title = f"{len(chapters)} experiments"
        subtitle = [", ".join(chapter.label for chapter in chapters)]
        sections.append(overview_section(chapters))
        sections.append(pairs_section(chapters, options.real_names))
        sections.append(errors_section(chapters, options.real_names))
    template, style, script = _templates()
    return template.render(
        title=title,
        subtitle=" · ".join(subtitle),
        notices=summary.notices(chapters, options.real_names),
        sections=sections,
        chapters=[_view(chapter, place, chapters, options) for place, chapter in enumerate(chapters, 1)],
        gallery=shown,
        subjects=sorted({item["subject"] for item in shown.data["items"] if item["subject"]}),
        real_names=options.real_names,
        # Letters, digits, + / and = alone: nothing in it can end the element.
        pictures=Markup("\n".join(base64.b64encode(picture).decode() for picture in shown.pictures)),
        style=Markup(style),
        script=Markup(script),
    )


@cache
def _templates() -> tuple:
    """Return the template of the page, its style sheet and its script."""
    loader = PackageLoader("evaluation.report")
    environment = Environment(
        loader=loader,
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    plain = [loader.get_source(environment, name)[0] for name in ("style.css", "gallery.js")]
    return environment.get_template("report.html.j2"), *plain


def _view(chapter: Chapter, place: int, chapters: list[Chapter], options: Options) -> ChapterView:
    result = chapter.result
    decision = "at a probability of 0.5" if result.positive_class else "by the most probable class"
    made = []
    for run in chapter.runs:
        facts = summary.provenance(run, options.real_names)
        made.append(Making(chapter.fold_of(run), facts, summary.config_text(run, options.real_names)))
    suffix = f"-{place}" if len(chapters) > 1 else ""
    return ChapterView(
        label=chapter.label,
        name=f"experiment-{place}",
        about=summary.about_rows(chapter),
        parts=summary.parts_table(chapter),
        tiles=summary.tiles(result),
        decision=f"Predictions are made {decision}. Below each figure is its {results.confidence(result)} interval.",
        sections=_sections(chapter, suffix, options.real_names),
        made=made,
    )


def _sections(chapter: Chapter, suffix: str, real_names: bool) -> list[Section]:
    result = chapter.result
    hidden = ()
    if not real_names and summary.may_name_subjects(result):
        hidden = (summary.ANOTHER_SET,)
    confidence_tables = [results.calibration_table(result), results.triage_table(result)]
    sections = [
        results.warnings_section(result, f"limits{suffix}", hidden),
        members_section(chapter, f"ensemble{suffix}"),
        Section("Results on the test images", f"results{suffix}", tables=results.result_tables(result)),
        Section(
            "Right and wrong predictions",
            f"predictions{suffix}",
            figures=plots.confusion_figures(result) + plots.rank_figures(chapter),
        ),
        Section(
            "How sure it may be",
            f"sure{suffix}",
            tables=[table for table in confidence_tables if table],
            figures=plots.reliability_figures(result) + plots.risk_figures(chapter),
        ),
        Section("Training", f"training{suffix}", figures=plots.curve_figures(chapter)),
    ]
    return [section for section in sections if section]
