"""The model card of an export: README.md."""

from collections.abc import Sequence
from pathlib import Path

from karyocyte.evaluation.pages.rendering import render
from karyocyte.evaluation.tables.renderers import markdown
from karyocyte.evaluation.tables.sentence import sentence
from karyocyte.evaluation.tables.tables import classes_table, metrics_table, subgroups_table
from karyocyte.evaluation.types.added import shown
from karyocyte.evaluation.types.result import EvaluationResult
from karyocyte.evaluation.types.table import Table
from karyocyte.evaluation.types.warnings import LEAKS, PROTOCOLS
from karyocyte.inference.models import RunsModel, source_warnings
from karyocyte.recipes.exports import added_facts
from karyocyte.runs.export import ClassifierExport, Parity, training_command
from karyocyte.runs.run import Run

NOT_OF_THE_MODEL = ("leak", "validation", "subgroups", "cells")  # topics of warnings that the card leaves out


def model_card(
    export: ClassifierExport, model: RunsModel, parities: Sequence[Parity], result: EvaluationResult | None
) -> str:
    """Return the model card as Markdown.

    Args:
        export: What is said of the run or the ensemble.
        model: The run or the ensemble.
        parities: How equal the exported network of each member is to its own.
        result: The evaluation; None where there is none.
    """
    members = model.members
    first = members[0]
    text = render(
        "karyocyte.workflows.export",
        "card.md.j2",
        export=export,
        facts=model.facts,
        members=len(members),
        fold=first.predictions.about.get("fold"),
        folds=first.data.folds,
        parity=parities[0],
        protocol=first.config.protocol,
        meaning=PROTOCOLS[first.config.protocol],
        sources=list(dict.fromkeys(map(_learned_from, members))),
        added=added_facts(export).values(),
        limits=_limits(export, model, result),
        sentence="The run was not evaluated: scripts/evaluate.py does it." if result is None else sentence(result),
        tables=[] if result is None else _result_tables(result),
        commands=dict.fromkeys(filter(None, map(training_command, members))),
        member_table=Table.of("", map(_member, range(1, 1 + len(members)), members, parities)),
        starts=dict.fromkeys(map(_start, members)),
        revisions=sorted({revision for member in members for revision in member.revisions}),
        markdown=markdown,
    )
    return text + "\n"


def _limits(export: ClassifierExport, model: RunsModel, result: EvaluationResult | None) -> list[str]:
    of_data = [member.data for member in model.members]
    lines = source_warnings(of_data)
    for key, text in LEAKS.items():
        most = max((data.leaks or {}).get(key) or 0 for data in of_data)
        if most:
            lines.append(f"leak: {text}: {most}")
    for name, facts in added_facts(export).items():
        lines += facts.limits(model, export.more[name])
    lines += [*export.notes, *export.thresholds.get("notes", [])]
    if result is not None:
        for warning in result.warnings:
            # What is said of intervals is of that evaluation, and no limit of the model.
            of_intervals = "resample" in warning.text or "left out" in warning.text
            if warning.topic not in NOT_OF_THE_MODEL and not of_intervals:
                lines.append(str(warning))
    # The members of an ensemble have many of them in common.
    return list(dict.fromkeys(lines))


def _result_tables(result: EvaluationResult) -> list[Table]:
    laboratories = subgroups_table(result, kinds=("group",))
    tables = (metrics_table(result), classes_table(result), *shown(result).tables, laboratories)
    return list(filter(None, tables))


def _learned_from(run: Run) -> str:
    """Return the source of the images that a network learned from, in words where they were drawn."""
    return "SYNTHETIC images" if run.data.synthetic else str(run.data.source)


def _start(run: Run) -> str:
    """Return the weights that a training began with: a tag of timm, the name of a file, or "random"."""
    return Path(run.config.weights).name


def _member(number: int, run: Run, parity: Parity) -> dict[str, str | int]:
    settings = run.prediction
    height, width = settings.prepare.shape
    data = run.identity.get("contents", {}).get("data") or "unknown"
    return {
        "member": f"member{number}",
        "network": " to ".join(filter(None, [settings.model.name, settings.model.cut])),
        "data": f"{_learned_from(run)} ({data[:16]})",
        "first weights": _start(run) + ", from another run" * (run.config.init_from is not None),
        "seed": settings.seed,
        "pixels": f"{height} x {width}",
        "weights differ": f"{parity.weights:.1e}",
    }
