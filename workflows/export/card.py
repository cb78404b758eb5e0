"""The model card of a portable model: README.md."""

from collections.abc import Iterable

from pydantic import TypeAdapter

from common.runs.portable import ModelDescription, PortableMember
from evaluation.core.warnings import LEAKS
from evaluation.referral.choices import ReviewThresholds
from evaluation.renderers import markdown
from evaluation.result import EvaluationResult
from evaluation.tables import Table, cells_table, classes_table, metrics_table
from workflows.members import learned_from, source_warnings

UPRIGHT = "Chromosomes must be upright, short arm on top."
PROTOCOLS = {
    "subject": "no subject is in two parts",
    "image": "images are divided at random, by class; a subject may be in two parts",
    "paper": "as the paper did it, its leaks included",
}
NOT_OF_THE_MODEL = ("leak", "validation", "subgroups", "cells")  # topics of warnings that the card leaves out


def model_card(model: ModelDescription, result: EvaluationResult | None) -> str:
    """Return the model card as Markdown; ``result`` is the evaluation of the run, None where there is none."""
    networks = _once(member.network.name for member in model.members)
    members = f"an ensemble of {len(model.members)} networks" if len(model.members) > 1 else "a network"
    classes = ", ".join(model.classes)
    summary = f"A classifier of images into {len(model.classes)} classes, {members} ({networks}): {classes}."
    if model.positive_class is not None:
        summary += f" The positive class is {model.positive_class}."
    sections = {
        "Intended use": _intended_use(model),
        "Limits": _limits(model, result),
        "How it was evaluated": _evaluation(model, result),
        "Training": _training(model),
        "Preparation": _preparation(model),
        "Thresholds and referral": _thresholds(model),
        "Files": _files(model),
        "Licence": _licence(model),
        "Versions": _versions(model),
    }
    lines = ["# " + model.name, "", summary]
    for title, content in sections.items():
        lines += ["", "## " + title, "", *content]
    return "\n".join(lines) + "\n"


def _intended_use(model: ModelDescription) -> list[str]:
    sources = _once(learned_from(member.training) for member in model.members)
    lines = [
        f"Research on images like those that it learned from: {sources}, prepared as below. The files of its run "
        "record no clinical validation; it is no medical device. With Karyocyte:",
        "",
        "    python scripts/predict.py <this folder> <images> --output new.csv",
    ]
    if model.cells is not None:
        lines.append("    python scripts/karyotype.py <this folder> <folder of cells> --output new")
    return [
        *lines,
        "",
        "Its dependency group `predict` is what this takes, without torch.",
        "",
        "Each `.onnx` file takes `image`, uint8 RGB (batch, 3, height, width), prepared as below, and gives "
        f"`probability`, float32 (batch, {len(model.classes)}), in the order of the classes.",
    ]


def _limits(model: ModelDescription, result: EvaluationResult | None) -> list[str]:
    lines = source_warnings([member.training for member in model.members])
    for key, text in LEAKS.items():
        most = max(((member.training.leaks or {}).get(key) or 0) for member in model.members)
        if most:
            lines.append(f"leak: {text}: {most}")
    if model.cells is not None:
        lines += model.cells.notes
        if not all(member.turns for member in model.members):
            lines.append(UPRIGHT)
    lines += [*model.notes, *model.thresholds.get("notes", [])]
    for warning in result.warnings if result else ():
        if (
            warning.topic not in NOT_OF_THE_MODEL and "resample" not in warning.text and "left out" not in warning.text
        ):  # details of intervals
            lines.append(str(warning))
    return [f"- {line}" for line in dict.fromkeys(lines)] or ["The run reports none."]


def _evaluation(model: ModelDescription, result: EvaluationResult | None) -> list[str]:
    first = model.members[0].training
    protocol = f"Protocol `{first.protocol}`: {PROTOCOLS[first.protocol]}."
    if first.fold is not None:
        of_folds = f" of {first.folds}" if first.folds else ""
        protocol += f" Tested on fold {first.fold}{of_folds}."
    if result is None:
        return [protocol, "", "The run was not evaluated: scripts/evaluate.py does it."]
    lines = [protocol]
    for table in (metrics_table(result), classes_table(result), cells_table(result)):
        if table is not None and table.rows:
            lines += ["", f"{table.title}:", "", *markdown(table)]
            if table.notes:
                lines += ["", *(f"- {note}" for note in table.notes)]
    return lines


def _training(model: ModelDescription) -> list[str]:
    rows = []
    for position, member in enumerate(model.members):
        training = member.training
        start = training.start + ", from another run" * training.init_from
        data = (training.data_sha256 or "unknown")[:16]
        seen = "unknown" if training.images_seen is None else training.images_seen
        network = " to ".join(filter(None, [member.network.name, member.network.cut]))
        rows.append((f"member{position + 1}", network, learned_from(training), data, start, seen, training.seed))
    columns = ("member", "network", "data", "SHA-256 of the data", "first weights", "images seen", "seed")
    return markdown(Table("", columns, tuple(rows)))


def _preparation(model: ModelDescription) -> list[str]:
    rows = []
    for position, member in enumerate(model.members):
        height, width = member.prepare.shape
        means = _numbers(member.network.mean)
        deviations = _numbers(member.network.std)
        rows.append((f"member{position + 1}", f"{height} x {width}", means, deviations, _views(member)))
    columns = ("member", "pixels", "mean", "standard deviation", "views")
    return [
        *markdown(Table("", columns, tuple(rows))),
        "",
        f"`prepare` of `model.json` has all settings, version {model.prepare_version}. The graph divides by 255 and "
        "normalises by mean and standard deviation.",
    ]


def _thresholds(model: ModelDescription) -> list[str]:
    thresholds = TypeAdapter(ReviewThresholds).validate_python(model.thresholds)
    cut = thresholds.confidence
    values = {
        "threshold of the positive class": thresholds.threshold,
        "temperature": thresholds.temperature,
        "released as negative below": thresholds.release,
        "least probability of a prediction that is not referred": None if cut is None else cut.cut,
        "target accuracy of such predictions": thresholds.accuracy,
        "least vote share of members": thresholds.vote_share if len(model.members) > 1 else None,
    }
    chosen = [(name, f"{value:.4g}") for name, value in values.items() if value is not None]
    if model.cells is not None:
        temperatures = _numbers(model.cells.temperatures)
        chosen.append(("temperature of each member for karyotypes", temperatures))
        if len(model.members) > 1:
            chosen.append(("temperature of their combination", f"{model.cells.combined:.4g}"))
    if not chosen:
        return ["Validation chose none."]
    return ["Chosen on the validation images:", "", *markdown(Table("", ("what", "value"), tuple(chosen)))]


def _files(model: ModelDescription) -> list[str]:
    rows = []
    for position, member in enumerate(model.members):
        name = f"member{position + 1}"
        rows.append((f"{name}.safetensors", "weights", f"{member.parity.weights:.1e}"))
        rows.append((f"{name}.onnx", f"ONNX graph, opset {model.opset}", f"{member.parity.onnx:.1e}"))
    images = min(member.parity.images for member in model.members)
    return [
        *markdown(Table("", ("file", "content", "difference"), tuple(rows))),
        "",
        f"The difference is the largest of a probability from the network of the run, over {images} images. All "
        "settings, all metrics and the SHA-256 of each file are in `model.json`.",
    ]


def _licence(model: ModelDescription) -> list[str]:
    weights = model.licence.weights or "not stated by who exported them"
    starts = _once(member.training.start for member in model.members)
    return [
        f"Code: {model.licence.code}. Weights: {weights}. The first weights ({starts}) and the images of the training "
        "have terms of their own.",
    ]


def _versions(model: ModelDescription) -> list[str]:
    packages = ", ".join(f"{name} {number}" for name, number in model.versions.items())
    trained = sorted({revision for member in model.members for revision in member.training.revisions})
    return [f"Exported by revision {model.revision}, trained by {', '.join(trained) or 'an unknown one'}. {packages}."]


def _views(member: PortableMember) -> str:
    views = ["the image"]
    if member.inference.mirror:
        views.append("its mirror image")
    if member.turns:
        views.append("both turned by 180 degrees" if member.inference.mirror else "the image turned by 180 degrees")
    return ", ".join(views)


def _numbers(values: Iterable[float]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)


def _once(names: Iterable[str]) -> str:
    """Return each name once, in their order."""
    return ", ".join(dict.fromkeys(names))
