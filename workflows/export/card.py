"""The model card of a portable model: README.md."""

from collections.abc import Iterable
from dataclasses import replace
from operator import attrgetter

from pydantic import TypeAdapter

from common.runs.portable import TOLERANCE, ModelDescription, PortableMember, TrainingFacts
from evaluation.core.warnings import LEAKS
from evaluation.referral.choices import ReviewThresholds
from evaluation.renderers import markdown
from evaluation.result import EvaluationResult
from evaluation.tables import Table, cells_table, classes_table, metrics_table, subgroups_table
from workflows.models import learned_from, source_warnings

UPRIGHT = "Chromosomes must be upright, short arm on top."
PROTOCOLS = {
    "subject": "no subject is in two parts",
    "image": "images are divided at random, by class; a subject may be in two parts",
    "paper": "as the paper did it, its leaks included",
}
NOT_OF_THE_MODEL = ("leak", "validation", "subgroups", "cells")  # topics of warnings that the card leaves out
MEMBERS = ("member", "network", "data", "first weights", "seed", "pixels", "views", "weights differ", "graph differs")


def model_card(model: ModelDescription, result: EvaluationResult | None) -> str:
    """Return the model card as Markdown; ``result`` is the evaluation of the run, None where there is none."""
    classes = ", ".join(model.classes)
    members = "a network"
    if len(model.members) > 1:
        members = f"an ensemble of {len(model.members)} networks"
    summary = f"A classifier of images into {len(model.classes)} classes, {members}: {classes}."
    if model.positive_class is not None:
        summary += f" The positive class is {model.positive_class}."
    sections = {
        "Intended use": _intended_use(model),
        "Limits": _limits(model, result),
        "How it was evaluated": _evaluation(model, result),
        "Data and training": _data(model),
        "Members": _members(model),
        "Thresholds and referral": _thresholds(model),
        "Licence and versions": _licence(model),
    }
    lines = ["# " + model.name, "", summary]
    for title, content in sections.items():
        lines += ["", "## " + title, "", *content]
    return "\n".join(lines) + "\n"


def _intended_use(model: ModelDescription) -> list[str]:
    sources = _once(map(learned_from, _training(model)))
    lines = [
        f"Research use only, on images like those that it learned from: {sources}. The files of its run record no "
        "clinical validation; it is no medical device. With Karyocyte, whose dependency group `predict` is enough:",
        "",
        "    python scripts/predict.py <this folder> <images> --output new.csv",
    ]
    if model.cells is not None:
        lines.append("    python scripts/karyotype.py <this folder> <folder of cells> --output new")
    if model.opset is None:
        return [*lines, "", "It needs torch: there are no ONNX graphs."]
    return [
        *lines,
        "",
        "Each `.onnx` file takes `image`, uint8 RGB (batch, 3, height, width), prepared as `prepare` of `model.json` "
        f"says, and gives `probability`, float32 (batch, {len(model.classes)}), in the order of the classes. Each "
        "`.safetensors` file has the same weights for torch.",
    ]


def _data(model: ModelDescription) -> list[str]:
    """Return what is known of the data and their terms, and the commands that train the members."""
    notes = model.data_notes or "Who exported the model has not stated the terms of the data."
    commands = dict.fromkeys(f"    {training.command}" for training in _training(model) if training.command)
    lines = [f"Data: {_once(map(learned_from, _training(model)))}.", "", notes]
    return [*lines, "", "Trained by:", "", *commands] if commands else lines


def _training(model: ModelDescription) -> list[TrainingFacts]:
    return [member.training for member in model.members]


def _limits(model: ModelDescription, result: EvaluationResult | None) -> list[str]:
    lines = source_warnings(_training(model))
    for key, text in LEAKS.items():
        most = 0
        for training in _training(model):
            most = max(most, (training.leaks or {}).get(key) or 0)
        if most:
            lines.append(f"leak: {text}: {most}")
    if model.cells is not None:
        lines += model.cells.notes
        if not all(member.network.orientation for member in model.members):
            lines.append(UPRIGHT)
    lines += [*model.notes, *model.thresholds.get("notes", [])]
    if result is not None:
        for warning in result.warnings:
            of_intervals = "resample" in warning.text or "left out" in warning.text
            if warning.topic not in NOT_OF_THE_MODEL and not of_intervals:
                lines.append(str(warning))
    return [f"- {line}" for line in dict.fromkeys(lines)] or ["The run reports none."]


def _evaluation(model: ModelDescription, result: EvaluationResult | None) -> list[str]:
    first = model.members[0].training
    protocol = f"Protocol `{first.protocol}`: {PROTOCOLS[first.protocol]}."
    if first.fold is not None:
        protocol += f" Tested on fold {first.fold} of {first.folds or 'unknown'}."
    if result is None:
        return [protocol, "", "The run was not evaluated: scripts/evaluate.py does it."]
    lines = [protocol]
    laboratories = replace(result, subgroups=[part for part in result.subgroups if part.by == "group"])
    for table in (metrics_table(result), classes_table(result), cells_table(result), subgroups_table(laboratories)):
        if table is not None and table.rows:
            lines += ["", f"{table.title}:", "", *markdown(table), "", *(f"- {note}" for note in table.notes)]
    return lines


def _members(model: ModelDescription) -> list[str]:
    rows = []
    for position, member in enumerate(model.members):
        training = member.training
        height, width = member.prepare.shape
        row = (
            f"member{position + 1}",
            " to ".join(filter(None, [member.network.name, member.network.cut])),
            f"{learned_from(training)} ({(training.data_sha256 or 'unknown')[:16]})",
            f"{training.start}, from another run" if training.init_from else training.start,
            training.seed,
            f"{height} x {width}",
            _views(member),
            f"{member.parity.weights:.1e}",
            "none" if member.parity.onnx is None else f"{member.parity.onnx:.1e}",
        )
        rows.append(row)
    return [
        *markdown(Table("", MEMBERS, tuple(rows))),
        "",
        "The differences are the largest of a probability from the network of the run, over "
        f"{model.members[0].parity.images} images; at most {model.members[0].parity.tolerance:g} is allowed of "
        f"weights, {TOLERANCE:g} of graphs. The preparation is version {model.prepare_version}, the opset "
        f"{model.opset or 'that of no graph'}; `model.json` has settings, metrics and the SHA-256 of each file.",
    ]


def _thresholds(model: ModelDescription) -> list[str]:
    thresholds = TypeAdapter(ReviewThresholds).validate_python(model.thresholds)
    values = {
        "threshold of the positive class": thresholds.threshold,
        "temperature": thresholds.temperature,
        "released as negative below": thresholds.release,
        "target accuracy of predictions that are not referred": thresholds.accuracy,
    }
    if thresholds.confidence is not None:
        values["least probability of a prediction that is not referred"] = thresholds.confidence.cut
    if len(model.members) > 1:
        values["least vote share of members"] = thresholds.vote_share
    if model.cells is not None:
        for position, temperature in enumerate(model.cells.temperatures):
            values[f"temperature of member{position + 1} for karyotypes"] = temperature
        values["temperature of their combination"] = model.cells.combined
    rows = []
    for name, value in values.items():
        if value is not None:
            rows.append((name, f"{value:.4g}"))
    return ["Chosen on the validation images:", "", *markdown(Table("", ("what", "value"), tuple(rows)))]


def _licence(model: ModelDescription) -> list[str]:
    weights = model.licence.weights or "not stated by who exported them"
    starts = _once(map(attrgetter("start"), _training(model)))
    trained: set[str] = set()
    for training in _training(model):
        trained |= set(training.revisions)
    versions = ", ".join(map(" ".join, model.versions.items()))
    return [
        f"Code: {model.licence.code}. Weights: {weights}. The first weights ({starts}) and the images of the training "
        "have terms of their own.",
        "",
        f"Exported by revision {model.revision}, trained by {', '.join(sorted(trained)) or 'an unknown one'}. "
        f"{versions}.",
    ]


def _views(member: PortableMember) -> str:
    views = ["the image"]
    if member.inference.mirror:
        views.append("its mirror image")
    if member.network.orientation:
        views.append("turned by 180 degrees, too")
    return ", ".join(views)


def _once(names: Iterable[str]) -> str:
    """Return each name once, in their order."""
    return ", ".join(dict.fromkeys(names))
