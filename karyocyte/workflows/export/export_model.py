"""A run or an ensemble as a portable model: weights, description and card."""

import shlex
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from datamodules.inference.run_images import from_test_part
from datamodules.io.whole_folder import new_whole_folder
from datamodules.preprocessing.pipeline import PREPARE_VERSION
from karyocyte.common.cli import console, say
from karyocyte.common.errors import UserError
from karyocyte.common.files import write_text
from karyocyte.common.installed import loaded
from karyocyte.common.revision import PACKAGES, revision
from karyocyte.evaluation.referral.choices import ReviewThresholds
from karyocyte.evaluation.types.result import TEST, EvaluationResult
from karyocyte.inference.thresholds import review_thresholds
from karyocyte.inference.torch_network import PredictionNetwork, load_network, save_weights
from karyocyte.recipes.portable import added_facts
from karyocyte.runs.files import PortableFile, RunFile
from karyocyte.runs.portable import (
    ADDED,
    DISTANCES,
    WEIGHTS,
    ClassifierDescription,
    Licence,
    Parity,
    PortableFolder,
    PortableMember,
    TrainingFacts,
    training_command,
    write_description,
)
from karyocyte.runs.run import Run
from karyocyte.workflows.export.card import model_card
from karyocyte.workflows.export.export_request import ExportRequest
from lightning_modules.build.load import load_run, network_facts
from lightning_modules.prediction.out_of_distribution import export_distances
from lightning_modules.training.process import set_up_torch

TOLERANCE = 1e-4  # of a probability
HALF_TOLERANCE = 0.01  # where weights are in 16 bits
COMPARED = 32  # images
VERSIONED = (*PACKAGES, "safetensors")
# Facts of a training that the predictions of its run tell.
OF_RUN = ("name", "protocol", "fold", "folds", "seed", "source", "synthetic", "images_seen", "leaks")
EXACT = ("32", "32-true")  # values of trainer.precision
# What a portable model does otherwise than its runs.
NO_PASSES = "The passes of Monte Carlo dropout are left out, and with them the referral by their votes."
NO_DISTANCES = "This model does not mark images that are out of distribution."
MORE_EXACT = "It computes in 32 bits, the run in fewer (trainer.precision): probabilities differ a little."
SCALED_ALONE = (
    "scripts/predict.py scales a chromosome by its own width, since the cells of single images are unknown; "
    "scripts/karyotype.py by the others of its cell, as the run does, whose metrics these are."
)


def export_model(request: ExportRequest) -> None:
    """Write the folder of a portable model, whole or not at all, and say what it holds.

    Raises:
        UserError: The images to compare on are missing; or a network cannot be written, or differs.
    """
    set_up_torch()
    with new_whole_folder(request.output) as folder:
        model = PortableFolder(folder)
        members = []
        for position in range(len(request.model.members)):
            members.append(_write_member(model, position, request))
        result = EvaluationResult.from_dict(request.run.metrics) if request.run.metrics else None
        description = _describe(request, members, result)
        write_description(folder, description)
        write_text(folder / PortableFile.CARD, model_card(description, result))
    lines = []
    for position, member in enumerate(members):
        parity = member.parity
        compared = f"of {parity.images} images no probability differs by more than {parity.weights:.1e}"
        lines.append(f"member{position + 1}: {compared}")
    say(str(request.output), *lines, *description.notes)
    named = shlex.quote(str(request.output))
    say("predict images with it", f"python scripts/predict.py {named} <images> --output new.csv")
    for facts in added_facts(description):
        what, command = facts.command
        say(what, command.format(model=named))


def _write_member(model: PortableFolder, position: int, request: ExportRequest) -> PortableMember:
    """Write weights and distances of one member, and compare the weights with its run."""
    run = request.model.members[position]
    trained = load_run(run.folder)
    config = trained.config
    inference = config.inference.model_copy(update={"mc_passes": 0})
    weights = model.file(position, WEIGHTS)
    save_weights(trained.classifier, weights, request.half)
    reference = PredictionNetwork(trained.classifier, inference)
    network = network_facts(run)
    loaded = load_network(network, config.prepare.size, len(trained.classes), weights)
    images = _images_to_compare(run, request)
    parity = Parity(
        len(images),
        weights=_difference(reference, PredictionNetwork(loaded, inference), images),
        tolerance=HALF_TOLERANCE if request.half else TOLERANCE,
    )
    if not parity.weights <= parity.tolerance:  # also where it is no number
        raise UserError(
            f"{run.folder}: the network from safetensors gives probabilities that differ by {parity.weights:.1e} from "
            f"those of the run, more than {parity.tolerance:g}: nothing is written"
        )
    share = None
    if run.has(RunFile.OUT_OF_DISTRIBUTION):
        export_distances(run, model.file(position, DISTANCES), request.half)
        share = config.evaluation.out_of_distribution
    return PortableMember(network, config.prepare, inference, _training_facts(run), parity, share)


def _training_facts(run: Run) -> TrainingFacts:
    facts: dict[str, Any] = {key: run.predictions.about.get(key) for key in OF_RUN}
    return TrainingFacts(
        **facts,
        start=Path(run.config.weights).name,
        init_from=run.config.init_from is not None,
        data_sha256=run.identity.get("contents", {}).get("data"),
        revisions=run.revisions,
        command=training_command(run),
    )


def _images_to_compare(run: Run, request: ExportRequest) -> np.ndarray:
    """Return prepared images of the test part of the run, uint8, shape (N, 3, H, W)."""
    try:
        images = from_test_part(run.folder, COMPARED, request.data_dir, console.is_terminal)
    except UserError as error:
        raise UserError(f"{error}; the networks are compared on them: name their --data-dir") from error
    return images.transpose(0, 3, 1, 2).copy()


def _difference(reference: PredictionNetwork, other: PredictionNetwork, images: np.ndarray) -> float:
    """Return the largest difference of an output; NaN of any NaN."""
    expected = reference.arrays(images)
    return float(np.max([np.abs(expected[name] - values).max() for name, values in other.arrays(images).items()]))


def _describe(
    request: ExportRequest, members: list[PortableMember], result: EvaluationResult | None
) -> ClassifierDescription:
    run = request.run
    model = request.model
    thresholds = replace(review_thresholds(model), vote_share=None)  # without passes
    said = {name: facts.describe(model) for name, facts in loaded(ADDED).items()}  # by installed packages
    return ClassifierDescription(
        name=str(run.predictions.about.get("name") or members[0].training.name),
        classes=model.facts.classes,
        positive_class=model.facts.positive_class,
        members=tuple(members),
        combiner=model.facts.combiner,
        thresholds=TypeAdapter(ReviewThresholds).dump_python(thresholds, mode="json"),
        evaluation={} if result is None else _evaluation(result),
        licence=Licence(weights=request.licence),
        prepare_version=PREPARE_VERSION,
        versions={name: version(name) for name in VERSIONED},
        revision=revision(),
        notes=_notes(request),
        data_notes=request.notes.read_text(encoding="utf-8").strip() if request.notes else "",
        more={name: value for name, value in said.items() if value is not None},
    )


def _evaluation(result: EvaluationResult) -> dict[str, Any]:
    """Return what metrics.json says of the test images."""
    content = result.to_dict()
    return {
        "confidence": result.confidence,
        "test": content["test"],
        "figures": [row for row in content["figures"] if row["part"] == TEST],
        "threshold": content["thresholds"][0],
        "warnings": list(map(str, result.warnings)),
    }


def _notes(request: ExportRequest) -> tuple[str, ...]:
    """Say what the portable model does otherwise than its runs."""
    notes = []
    for member in request.model.members:
        config = member.config
        if config.inference.mc_passes:
            notes.append(NO_PASSES)
        if not member.has(RunFile.OUT_OF_DISTRIBUTION):
            notes.append(NO_DISTANCES)
        if str(config.trainer.precision) not in EXACT:
            notes.append(MORE_EXACT)
        if config.prepare.scales_by_cell:
            notes.append(SCALED_ALONE)
    return tuple(dict.fromkeys(notes))
