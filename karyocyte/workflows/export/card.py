"""The model card of a portable model: README.md."""

from karyocyte.evaluation.pages.rendering import render
from karyocyte.evaluation.tables.renderers import markdown
from karyocyte.evaluation.tables.tables import classes_table, metrics_table, subgroups_table
from karyocyte.evaluation.types.added import shown
from karyocyte.evaluation.types.result import EvaluationResult
from karyocyte.evaluation.types.table import Table
from karyocyte.evaluation.types.warnings import LEAKS
from karyocyte.inference.models import source_warnings
from karyocyte.recipes.portable import added_facts
from karyocyte.runs.portable import ClassifierDescription, PortableMember, TrainingFacts

PROTOCOLS = {
    "subject": "no subject is in two parts",
    "image": "images are divided at random, by class; a subject may be in two parts",
    "paper": "as the paper did it, its leaks included",
}
NOT_OF_THE_MODEL = ("leak", "validation", "subgroups", "cells")  # topics of warnings that the card leaves out


def model_card(model: ClassifierDescription, result: EvaluationResult | None) -> str:
    """Return the model card as Markdown; ``result`` is the evaluation of the run, None where there is none."""
    training = [member.training for member in model.members]
    sources = list(dict.fromkeys(map(_learned_from, training)))
    commands = dict.fromkeys(facts.command for facts in training if facts.command)
    text = render(
        "karyocyte.workflows.export",
        "card.md.j2",
        model=model,
        members=len(model.members),
        first=training[0],
        parity=model.members[0].parity,
        protocol=PROTOCOLS[training[0].protocol],
        sources=sources,
        added=added_facts(model),
        limits=_limits(model, result),
        tables=None if result is None else _result_tables(result),
        commands=commands,
        member_table=Table.of("", map(_member, range(1, 1 + len(model.members)), model.members)),
        starts=dict.fromkeys(facts.start for facts in training),
        revisions=sorted({revision for facts in training for revision in facts.revisions}),
        markdown=markdown,
    )
    return text + "\n"


def _limits(model: ClassifierDescription, result: EvaluationResult | None) -> list[str]:
    training = [member.training for member in model.members]
    lines = source_warnings(training)
    for key, text in LEAKS.items():
        most = max((facts.leaks or {}).get(key) or 0 for facts in training)
        if most:
            lines.append(f"leak: {text}: {most}")
    for facts in added_facts(model):
        lines += facts.limits(model)
    lines += [*model.notes, *model.thresholds.get("notes", [])]
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


def _learned_from(training: TrainingFacts) -> str:
    """Return the source of the images that a network learned from, in words where they were drawn."""
    return "SYNTHETIC images" if training.synthetic else str(training.source)


def _member(number: int, member: PortableMember) -> dict[str, str | int]:
    training = member.training
    height, width = member.prepare.shape
    return {
        "member": f"member{number}",
        "network": " to ".join(filter(None, [member.network.name, member.network.cut])),
        "data": f"{_learned_from(training)} ({(training.data_sha256 or 'unknown')[:16]})",
        "first weights": f"{training.start}, from another run" if training.init_from else training.start,
        "seed": training.seed,
        "pixels": f"{height} x {width}",
        "weights differ": f"{member.parity.weights:.1e}",
    }
