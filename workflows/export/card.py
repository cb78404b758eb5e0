"""The model card of a portable model: README.md, from its description alone."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter

from common.runs.portable import ModelDescription, PortableMember, TrainingFacts
from evaluation.cells.cell_metrics import SUFFIX as ASSIGNED
from evaluation.core.warnings import LEAKS
from evaluation.result import EvaluationWarning, Interval
from evaluation.uncertainty.flags import ReviewThresholds
from workflows.members import source_warnings

UPRIGHT = "Chromosomes must be upright, short arm on top."
PROTOCOLS = {
    "subject": "no subject is in two parts",
    "image": "images are divided at random, by class; a subject may be in two parts",
    "paper": "as the paper did it, its leaks included",
}
_METRICS = TypeAdapter(dict[str, Interval])


def model_card(model: ModelDescription) -> str:
    """Return the model card as Markdown."""
    sections = {
        "Intended use": _intended_use(model),
        "Limits": _limits(model),
        "How it was evaluated": _evaluation(model),
        "Training": _training(model),
        "Preparation": _preparation(model),
        "Thresholds and referral": _thresholds(model),
        "Files": _files(model),
        "Licence": _licence(model),
        "Versions": _versions(model),
    }
    lines = ["# " + model.name, "", *_summary(model)]
    for title, content in sections.items():
        lines += ["", "## " + title, "", *content]
    return "\n".join(lines) + "\n"


def _summary(model: ModelDescription) -> list[str]:
    networks = _counts([member.network.name for member in model.members])
    members = f"an ensemble of {len(model.members)} networks" if len(model.members) > 1 else "a network"
    text = (
        f"A classifier of images into {len(model.classes)} classes, {members} ({networks}): {', '.join(model.classes)}."
    )
    if model.positive_class is not None:
        text += f" The positive class is {model.positive_class}."
    return [text]


def _intended_use(model: ModelDescription) -> list[str]:
    sources = _counts([_source(member.training) for member in model.members])
    use = f"Research on images like those that it learned from: {sources}, prepared as below."
    graph = (
        "Each `.onnx` file takes `image`, uint8 RGB (batch, 3, height, width), prepared as below, and gives "
        f"`probability`, float32 (batch, {len(model.classes)}), in the order of the classes."
    )
    commands = ["    python scripts/predict.py <this folder> <images> --output new.csv"]
    if model.cells is not None:
        commands.append("    python scripts/karyotype.py <this folder> <folder of cells> --output new")
    return [
        f"{use} The files of its run record no clinical validation; it is no medical device. With Karyocyte:",
        "",
        *commands,
        "",
        "Its dependency group `predict` is what this takes, without torch.",
        "",
        graph,
    ]


def _limits(model: ModelDescription) -> list[str]:
    lines = source_warnings([member.training for member in model.members])
    for key, text in LEAKS.items():
        most = max(((member.training.leaks or {}).get(key) or 0) for member in model.members)
        if most:
            lines.append(f"leak: {text}: {most}")
    if model.cells is not None:
        lines += model.cells.notes
        if not all(member.turns for member in model.members):
            lines.append(UPRIGHT)
    lines += [*model.notes, *model.thresholds.get("notes", []), *_warnings(model)]
    return _items(dict.fromkeys(lines)) or ["The run reports none."]


def _warnings(model: ModelDescription) -> list[str]:
    """Return what the evaluation warns of, but for the validation images and the details of intervals."""
    warnings = [EvaluationWarning.parse(line) for line in model.evaluation.get("warnings", [])]
    kept = [warning for warning in warnings if warning.topic not in ("leak", "validation", "subgroups", "cells")]
    return [str(warning) for warning in kept if "resample" not in warning.text and "left out" not in warning.text]


def _evaluation(model: ModelDescription) -> list[str]:
    first = model.members[0].training
    protocol = f"Protocol `{first.protocol}`: {PROTOCOLS[first.protocol]}."
    if first.fold is not None:
        of_folds = f" of {first.folds}" if first.folds else ""
        protocol += f" Tested on fold {first.fold}{of_folds}."
    if not model.evaluation:
        return [protocol, "", "The run was not evaluated: scripts/evaluate.py does it."]
    test = model.evaluation["test"]
    subjects = "" if test["subjects"] is None else f" of {test['subjects']:,} subjects"
    counts = ", ".join(f"{count:,} {name}" for name, count in test["class_counts"].items())
    confidence = f"{100 * model.evaluation['confidence']:g} %"
    return [
        f"{protocol} {test['images']:,} labelled test images{subjects} ({counts}); {confidence} intervals over "
        f"{test['drawn']}.",
        "",
        *_metric_tables(test["metrics"]),
        *_titled("At the threshold of validation", test["metrics_at_threshold"]),
        *_titled("Whole cells", model.evaluation["cells"]),
    ]


def _titled(title: str, metrics: Mapping[str, Any] | None) -> list[str]:
    return ["", title + ":", "", *_metric_tables(metrics)] if metrics else []


def _metric_tables(metrics: Mapping[str, Any]) -> list[str]:
    """Return a table of the metrics of all images, and one of those of a class, such as "recall/X"."""
    intervals = _METRICS.validate_python(metrics)
    overall = [(name, str(interval)) for name, interval in intervals.items() if "/" not in name]
    lines = _table(("metric", "value (interval)"), overall)
    by_class: dict[str, dict[str, str]] = {}
    for name, interval in intervals.items():
        metric, separator, class_name = name.partition("/")
        if separator:
            if class_name.endswith(ASSIGNED):
                metric, class_name = metric + ASSIGNED, class_name.removesuffix(ASSIGNED)
            by_class.setdefault(class_name, {})[metric] = str(interval)
    if by_class:
        heads = list(next(iter(by_class.values())))
        rows = [(class_name, *(values.get(head, "") for head in heads)) for class_name, values in by_class.items()]
        lines += ["", *_table(("class", *heads), rows)]
    return lines


def _training(model: ModelDescription) -> list[str]:
    rows = []
    for position, member in enumerate(model.members):
        training = member.training
        start = training.start + (", from another run" if training.init_from else "")
        images = "unknown" if training.images_seen is None else f"{training.images_seen:,}"
        data = (training.data_sha256 or "unknown")[:16]
        rows.append((f"member{position + 1}", _network(member), _source(training), data, start, images, training.seed))
    heads = ("member", "network", "data", "SHA-256 of the data", "first weights", "images seen", "seed")
    return _table(heads, rows)


def _preparation(model: ModelDescription) -> list[str]:
    lines = []
    for name, members in _alike(model.members).items():
        first = members
        height, width = first.prepare.shape
        settings = first.prepare.model_dump(mode="json")
        lines += [
            f"{name}: {height} x {width} pixels (`prepare` of model.json, version {model.prepare_version}):",
            "",
            *_table(("key", "value"), [(key, json.dumps(value)) for key, value in _flat(settings)]),
            "",
            f"In the graph: division by 255, mean {_numbers(first.network.mean)}, standard deviation "
            f"{_numbers(first.network.std)}; views: {_views(first)}.",
            "",
        ]
    return lines[:-1]


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
        temperatures = ", ".join(f"{value:.4g}" for value in model.cells.temperatures)
        chosen.append(("temperature of each member for karyotypes", temperatures))
        if len(model.members) > 1:
            chosen.append(("temperature of their combination", f"{model.cells.combined:.4g}"))
    if not chosen:
        return ["Validation chose none."]
    return ["Chosen on the validation images:", "", *_table(("what", "value"), chosen)]


def _files(model: ModelDescription) -> list[str]:
    rows = []
    for position, member in enumerate(model.members):
        name = f"member{position + 1}"
        parity = member.parity
        rows.append((f"{name}.safetensors", "weights", f"{parity.weights:.1e}"))
        rows.append((f"{name}.onnx", f"ONNX graph, opset {model.opset}", f"{parity.onnx:.1e}"))
    if model.images_sha256 is not None:
        rows.append(("images.csv", "SHA-256 of the images of the training; may be deleted", ""))
    images = min(member.parity.images for member in model.members)
    return [
        *_table(("file", "content", "difference"), rows),
        "",
        f"The difference is the largest of a probability from the network of the run, over {images} images. All "
        "settings, all metrics and the SHA-256 of each file are in `model.json`.",
    ]


def _licence(model: ModelDescription) -> list[str]:
    weights = model.licence.weights or "not stated by who exported them"
    starts = _counts([member.training.start for member in model.members])
    return [
        f"Code: {model.licence.code}. Weights: {weights}. The first weights ({starts}) and the images of the training "
        "have terms of their own.",
    ]


def _versions(model: ModelDescription) -> list[str]:
    packages = ", ".join(f"{name} {number}" for name, number in model.versions.items())
    trained = sorted({revision for member in model.members for revision in member.training.revisions})
    return [f"Exported by revision {model.revision}, trained by {', '.join(trained) or 'an unknown one'}. {packages}."]


def _source(training: TrainingFacts) -> str:
    return "SYNTHETIC images" if training.synthetic else f"`data.source={training.source}`"


def _network(member: PortableMember) -> str:
    network = member.network
    return network.name if network.cut is None else f"{network.name} to {network.cut}"


def _views(member: PortableMember) -> str:
    views = ["the image"]
    if member.inference.mirror:
        views.append("its mirror image")
    if member.turns:
        views.append("both turned by 180 degrees" if member.inference.mirror else "the image turned by 180 degrees")
    return ", ".join(views)


def _alike(members: Sequence[PortableMember]) -> dict[str, PortableMember]:
    """Return one member for each preparation, by the names of all that have it."""
    groups: list[tuple[list[str], PortableMember]] = []
    for position, member in enumerate(members):
        key = (member.prepare, member.network.mean, member.network.std, _views(member))
        for names, first in groups:
            if key == (first.prepare, first.network.mean, first.network.std, _views(first)):
                names.append(f"member{position + 1}")
                break
        else:
            groups.append(([f"member{position + 1}"], member))
    return {", ".join(names): member for names, member in groups}


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Return nested keys with dots."""
    rows: list[tuple[str, Any]] = []
    for key, value in values.items():
        rows += _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [(prefix + key, value)]
    return rows


def _numbers(values: Iterable[float]) -> str:
    return "[" + ", ".join(f"{value:.4g}" for value in values) + "]"


def _counts(names: Sequence[str]) -> str:
    """Return each name once, in their order."""
    return ", ".join(dict.fromkeys(names))


def _items(lines: Iterable[str]) -> list[str]:
    return [f"- {line}" for line in lines]


def _table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    lines = [heads, ["---"] * len(heads), *rows]
    return ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines]
