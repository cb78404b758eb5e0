"""The page itself: everything put together and written as one file that needs nothing else."""

import base64
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from common.files import write_csv, write_text
from evaluation.core.headings import heading
from evaluation.report import comparison as overview
from evaluation.report import plots as figures
from evaluation.report import results
from evaluation.report import summary as facts
from evaluation.report.blocks import Section, Table, confidence
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
class ChapterView:
    """What a page says of one experiment.

    Attributes:
        label: Its heading among several.
        name: Of its anchor.
        about: Facts, name and value.
        parts: Images of each part.
        tiles: The figures that a reader sees first.
        calls: How calls are made, in a sentence.
        sections: Tables and drawings.
        made: Of each run: title, how it was made, and its configuration.
    """

    label: str
    name: str
    about: list[tuple[str, str]]
    parts: Table
    tiles: list[facts.Tile]
    calls: str
    sections: list[Section]
    made: list[tuple[str, dict[str, str], str]] = field(default_factory=list)


def write_report(folders: list[Path], path: Path, options: Options, key: Path | None = None) -> dict[str, int]:
    """Write the page of one run, an ensemble, the folds of an experiment, or several experiments.

    Args:
        folders: Run folders.
        path: The file; the same runs give the same bytes.
        options: How it is made.
        key: Where to write what leads from the names shown to the true ones; None for nowhere.

    Returns:
        ``images`` (shown), ``total``, ``pictures`` and ``bytes``.

    Raises:
        UserError: A folder is no run, or runs do not belong on one page.
    """
    chapters = read_chapters(folders)
    shown = gallery(chapters, options.images, max(0, int(options.megabytes * 1e6) - REST), options.real_names)
    write_text(path, render(chapters, shown, options))
    if key is not None:
        _write_key(key, shown.key)
    found = {"images": len(shown.data["items"]), "total": shown.total, "pictures": len(shown.pictures)}
    return {**found, "bytes": path.stat().st_size}


def render(chapters: list[Chapter], shown: Gallery, options: Options) -> str:
    """Return the page as HTML."""
    several = len(chapters) > 1
    views = [_view(chapter, place, several, options) for place, chapter in enumerate(chapters, 1)]
    if several:
        sections = _comparisons(chapters)
    else:
        sections = []
    notices = facts.notices(chapters)
    if not options.real_names:
        sections = [_nameless(section) for section in sections]
        notices = [(labels, replace(one, lines=list(map(facts.nameless, one.lines)))) for labels, one in notices]
    title, *subtitle = heading(chapters[0].judgement["about"]).split(" · ")
    environment = _environment()
    return environment.get_template("report.html.j2").render(
        title=f"{len(chapters)} experiments" if several else title,
        subtitle=", ".join(chapter.label for chapter in chapters) if several else " · ".join(subtitle),
        notices=notices,
        sections=sections,
        chapters=views,
        gallery=shown,
        subjects=sorted({item["subject"] for item in shown.data["items"] if item["subject"]}),
        real_names=options.real_names,
        # Letters, digits, + / and = alone: nothing in it can end the element.
        pictures=Markup("\n".join(base64.b64encode(picture).decode() for picture in shown.pictures)),
        style=Markup(_part(environment, "style.css")),
        script=Markup(_part(environment, "gallery.js")),
    )


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("evaluation.report"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _part(environment: Environment, name: str) -> str:
    source, _, _ = environment.loader.get_source(environment, name)
    return source


def _comparisons(chapters: list[Chapter]) -> list[Section]:
    return [overview.overview_section(chapters), overview.pairs_section(chapters), overview.errors_section(chapters)]


def _view(chapter: Chapter, place: int, several: bool, options: Options) -> ChapterView:
    judgement = chapter.judgement
    suffix = f"-{place}" if several else ""
    if judgement["positive_class"]:
        called = "at a probability of 0.5"
    else:
        called = "by the most probable class"
    made = [
        (
            f"fold {source.predictions.about.get('fold')}" if len(chapter.sources) > 1 else "",
            facts.provenance(source, options.real_names),
            facts.config_text(source, options.real_names),
        )
        for source in chapter.sources
    ]
    sections = _sections(chapter, suffix)
    return ChapterView(
        label=chapter.label,
        name=f"experiment-{place}",
        about=facts.about_rows(chapter),
        parts=facts.parts_table(chapter),
        tiles=facts.tiles(judgement),
        calls=f"Calls are made {called}. Below each figure stands its {confidence(judgement)} interval.",
        sections=sections if options.real_names else [_nameless(section) for section in sections],
        made=made,
    )


def _sections(chapter: Chapter, suffix: str) -> list[Section]:
    judgement = chapter.judgement
    # Of several folds each has a metrics.json of its own.
    if len(chapter.sources) == 1:
        written = chapter.sources[0].facts("metrics.json")
    else:
        written = {}
    sure = [results.calibration_table(judgement), results.triage_table(judgement)]
    found = [
        results.warnings_section(judgement, f"limits{suffix}", written),
        members_section(chapter, f"ensemble{suffix}"),
        Section("Results on the test images", f"results{suffix}", tables=results.result_tables(judgement)),
        Section(
            "Right and wrong calls",
            f"calls{suffix}",
            figures=[*figures.drawn_confusion(judgement), *figures.drawn_ranks(chapter)],
        ),
        Section(
            "How sure it may be",
            f"sure{suffix}",
            tables=[table for table in sure if table],
            figures=[*figures.drawn_reliability(judgement), *figures.drawn_risk(chapter)],
        ),
        Section("Training", f"training{suffix}", figures=figures.drawn_curves(chapter)),
    ]
    return [section for section in found if section]


def _nameless(section: Section) -> Section:
    return replace(section, intro=list(map(facts.nameless, section.intro)))


def _write_key(path: Path, key: pd.DataFrame) -> None:
    write_csv(path, key)
