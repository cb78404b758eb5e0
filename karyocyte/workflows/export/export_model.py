"""A run or an ensemble without the files of its training, with a model card."""

import shlex
from collections.abc import Sequence
from dataclasses import asdict, replace
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
from karyocyte.inference.models import RunsModel
from karyocyte.inference.torch_network import PredictionNetwork, save_weights
from karyocyte.recipes.exports import ADDED, ExportOptions, added_facts
from karyocyte.runs.ensemble import write_ensemble
from karyocyte.runs.export import ClassifierExport, Licence, Parity, training_command, write_export
from karyocyte.runs.facts import BatchSettings, ComputingSettings, PredictionSettings
from karyocyte.runs.files import RunFile
from karyocyte.runs.run import Run
from karyocyte.workflows.export.card import model_card
from lightning_modules.build.load import load_run
from lightning_modules.prediction.out_of_distribution import export_distances
from lightning_modules.training.process import set_up_torch

TOLERANCE = 1e-4  # of a probability
HALF_TOLERANCE = 0.01  # where weights are in 16 bits
COMPARED = 32  # images
VERSIONED = (*PACKAGES, "safetensors")
BATCH = 32  # images that an export predicts at once
EXACT = ("32", "32-true")  # values of trainer.precision
# What an export does otherwise than its runs.
NO_PASSES = "The passes of Monte Carlo dropout are left out, and with them the referral by their votes."
NO_DISTANCES = "This model does not mark images that are out of distribution."
MORE_EXACT = "It computes in 32 bits, the run in fewer (trainer.precision): probabilities differ a little."
SCALED_ALONE = (
    "scripts/predict.py scales a chromosome by its own width, since the cells of single images are unknown; "
    "scripts/karyotype.py by the others of its cell, as the run does, whose metrics these are."
)


def export_model(model: RunsModel, options: ExportOptions) -> None:
    """Write the folder of an export, whole or not at all, and say what it holds.

    Raises:
        UserError: The images to compare on are missing; or a network cannot be written, or differs.
    """
    set_up_torch()
    with new_whole_folder(options.output) as folder:
        export, parities = _write(model, folder, options)
    lines = []
    for position, parity in enumerate(parities, start=1):
        compared = f"of {parity.images} images no probability differs by more than {parity.weights:.1e}"
        lines.append(f"member{position}: {compared}")
    say(str(options.output), *lines, *export.notes)
    named = shlex.quote(str(options.output))
    say("predict images with it", f"python scripts/predict.py {named} <images> --output new.csv")
    for facts in added_facts(export).values():
        what, command = facts.command
        say(what, command.format(model=named))


def _write(model: RunsModel, folder: Path, options: ExportOptions) -> tuple[ClassifierExport, list[Parity]]:
    """Write the export of a run, or of an ensemble by folders of its members; return it, and how equal these are."""
    run = model.runs[0]
    parities = []
    if run.is_ensemble:
        folders = [folder / f"member{position}" for position in range(1, 1 + len(model.members))]
        for member, place in zip(model.members, folders, strict=True):
            parities += _write(RunsModel([member]), place, options)[1]
        write_ensemble(folder, replace(run.ensemble, members=tuple(map(str, folders))))
    else:
        parities.append(_write_network(run, folder, options))
    result = EvaluationResult.from_dict(run.metrics) if run.metrics else None
    export = _describe(model, None if run.is_ensemble else parities[0], result, options)
    write_export(folder, export)
    write_text(folder / RunFile.CARD, model_card(export, model, parities, result))
    return export, parities


def _write_network(run: Run, folder: Path, options: ExportOptions) -> Parity:
    """Write the files of a run that predictions need, and compare what they give with the run itself."""
    trained = load_run(run.folder)
    settings = trained.config
    exported = replace(
        settings,
        inference=settings.inference.model_copy(update={"mc_passes": 0}),
        trainer=ComputingSettings("32-true", channels_last=False),
        loader=BatchSettings(BATCH),
    )
    new = Run(folder)
    new.write_config(TypeAdapter(PredictionSettings).dump_python(exported, mode="json"))
    new.write_json(RunFile.MODEL, asdict(run.model))
    # Without names of files and persons.
    new.write_json(RunFile.DATA, asdict(replace(run.data, notes=(), skipped=(), persons=(), copies={})))
    save_weights(trained.classifier, folder / RunFile.WEIGHTS, options.half)
    if run.has(RunFile.OUT_OF_DISTRIBUTION):
        export_distances(run, folder / RunFile.OUT_OF_DISTRIBUTION, options.half)
    images = _images_to_compare(run, options)
    of_run, of_export = (PredictionNetwork(each.classifier, exported.inference) for each in (trained, load_run(folder)))
    parity = Parity(
        len(images),
        weights=_difference(of_run, of_export, images),
        tolerance=HALF_TOLERANCE if options.half else TOLERANCE,
    )
    if not parity.weights <= parity.tolerance:  # also where it is no number
        raise UserError(
            f"{run.folder}: the network of the export gives probabilities that differ by {parity.weights:.1e} from "
            f"those of the run, more than {parity.tolerance:g}: nothing is written"
        )
    return parity


def _images_to_compare(run: Run, options: ExportOptions) -> np.ndarray:
    """Return prepared images of the test part of the run, uint8, shape (N, 3, H, W)."""
    try:
        images = from_test_part(run.folder, COMPARED, options.data_dir, console.is_terminal)
    except UserError as error:
        raise UserError(f"{error}; the networks are compared on them: name their --data-dir") from error
    return images.transpose(0, 3, 1, 2).copy()


def _difference(reference: PredictionNetwork, other: PredictionNetwork, images: np.ndarray) -> float:
    """Return the largest difference of an output; NaN of any NaN."""
    expected = reference.arrays(images)
    return float(np.max([np.abs(expected[name] - values).max() for name, values in other.arrays(images).items()]))


def _describe(
    model: RunsModel, parity: Parity | None, result: EvaluationResult | None, options: ExportOptions
) -> ClassifierExport:
    run = model.runs[0]
    thresholds = replace(model.thresholds, vote_share=None)  # without passes
    said = {name: facts.describe(model) for name, facts in loaded(ADDED).items()}  # by installed packages
    return ClassifierExport(
        name=str(run.predictions.about.get("name") or model.members[0].prediction.name),
        parity=parity,
        data_sha256=run.identity.get("contents", {}).get("data"),
        command=training_command(run),
        thresholds=TypeAdapter(ReviewThresholds).dump_python(thresholds, mode="json"),
        evaluation={} if result is None else _evaluation(result),
        licence=Licence(weights=options.licence),
        prepare_version=PREPARE_VERSION,
        versions={name: version(name) for name in VERSIONED},
        revision=revision(),
        notes=_notes(model.members),
        data_notes=options.data_notes,
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


def _notes(members: Sequence[Run]) -> tuple[str, ...]:
    """Say what the export does otherwise than its runs."""
    notes = []
    for member in members:
        config = member.prediction
        if config.inference.mc_passes:
            notes.append(NO_PASSES)
        if not member.has(RunFile.OUT_OF_DISTRIBUTION):
            notes.append(NO_DISTANCES)
        if str(config.trainer.precision) not in EXACT:
            notes.append(MORE_EXACT)
        if config.prepare.scales_by_cell:
            notes.append(SCALED_ALONE)
    return tuple(dict.fromkeys(notes))
