"""What the page of a reproduction shows, gathered from the plan and from what the commands have made."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from common.runs.lifecycle import other_revisions
from common.text import counted
from workflows.papers.plan import Plan, Runs, comparison_csv
from workflows.papers.records import StepRecord
from workflows.papers.sections import ReproductionFacts, StepCost, write_reproduction_page

PAGE = "reproduction.html"


def warnings_of(plan: Plan, runs: Mapping[str, Runs]) -> list[str]:
    """Return which experiments have unfinished runs, and which runs another version of the code has made."""
    return _unfinished(plan, runs) + _other_versions(runs)


def write_page(plan: Plan, runs: Mapping[str, Runs], records: Mapping[str, StepRecord]) -> Path:
    """Write reproduction.html of finished runs, by split and experiment, and of the records of the steps."""
    steps = []
    for name, record in records.items():
        numbers = (record.seconds, record.cpu_seconds, record.memory_gib)
        steps.append(StepCost(name, record.line, *numbers, record.code == 0))
    about = (plan.paper, plan.config.title, _settings(plan), warnings_of(plan, runs))
    facts = ReproductionFacts(*about, steps, _pictures(plan), _pages(plan))
    page = plan.output / PAGE
    figures = pd.read_csv(comparison_csv(plan), dtype=str)
    figures["headline"] = figures["headline"] == "True"
    if "deviation" not in figures:  # written by an earlier version
        figures["deviation"] = ""
    write_reproduction_page(page, figures, facts)
    return page


def _settings(plan: Plan) -> str:
    folds = ", ".join(f"{split.about}: {counted(len(split.folds), 'fold')}" for split in plan.splits)
    numbers = f"{counted(len(plan.experiments), 'experiment')}, {counted(len(plan.seeds), 'seed')}; {folds}"
    return f"{numbers}; {' '.join(plan.words) or 'no overrides'}"


def _unfinished(plan: Plan, runs: Mapping[str, Runs]) -> list[str]:
    warnings = []
    for split in plan.splits:
        planned = len(plan.seeds) * len(split.folds)
        unfinished = {name: planned - len(runs[split.name].get(name, ())) for name in plan.experiments}
        named = [f"{name} ({count} of {planned})" for name, count in unfinished.items() if count]
        if named:
            warnings.append(f"{split.about}: unfinished runs of {', '.join(named)}")
    return warnings


def _other_versions(runs: Mapping[str, Runs]) -> list[str]:
    """Return a warning where runs count as done that another version of the code has trained."""
    folders = [folder for of_split in runs.values() for several in of_split.values() for folder in several]
    others = Counter(line for folder in folders for line in other_revisions(Path(folder)))
    total = counted(len(folders), "run")
    kept = "finished runs are not trained again"
    return [f"{count} of {total}: {line} ({kept})" for line, count in sorted(others.items())]


def _pictures(plan: Plan) -> dict[str, Path]:
    pictures = {}
    for split in plan.splits:
        for file in sorted((plan.output / split.name).rglob("*.png")):
            caption = file.relative_to(plan.output / split.name).with_suffix("").as_posix()
            pictures[f"{caption.replace('_', ' ')}, {split.about}"] = file
    return pictures


def _pages(plan: Plan) -> dict[str, str]:
    pages = {}
    for split in plan.splits:
        for report in sorted((plan.output / split.name).glob("report*.html")):
            of = report.stem.removeprefix("report").lstrip("-")
            pages[", ".join(filter(None, ("Report", of, split.about)))] = f"{split.name}/{report.name}"
    return pages
