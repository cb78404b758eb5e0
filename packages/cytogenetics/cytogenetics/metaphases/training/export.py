"""The run of a detector, refiner or cutter without the files of its training, with README.md, a model card."""

from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter

from cytogenetics.config.networks import REFINED_SIDE
from cytogenetics.metaphases.networks.trained import NETWORKS, load
from cytogenetics.metaphases.training import cutter, refiner, train
from cytogenetics.trained.pictures import DETECTOR_FACTS, DetectorDescription, describe
from datamodules.io.whole_folder import new_whole_folder
from karyocyte.common.cli import say
from karyocyte.common.files import write_json, write_text
from karyocyte.common.revision import revision
from karyocyte.evaluation.pages.rendering import render
from karyocyte.inference.torch_network import save_weights
from karyocyte.recipes.exports import ExportedKind, ExportOptions
from karyocyte.runs.export import ExportFacts, Licence, training_command, write_export
from karyocyte.runs.files import RunFile
from karyocyte.runs.run import Run


def export_detector(folder: Path, options: ExportOptions) -> None:
    """Write the folder of a detector, a refiner or a cutter, whole or not at all."""
    run = Run.open_finished(folder)
    description = describe(run)
    kind = description.settings.recipe
    export = ExportFacts(
        licence=Licence(weights=options.licence),
        data_notes=options.data_notes,
        command=training_command(run),
        revision=revision(),
    )
    with new_whole_folder(options.output) as beside:
        new = Run(beside)
        new.write_config(TypeAdapter(type(description.settings)).dump_python(description.settings, mode="json"))
        new.write_json(RunFile.MODEL, asdict(description.network))
        write_json(beside / DETECTOR_FACTS, asdict(description.facts))
        save_weights(load(folder, NETWORKS[kind]), beside / RunFile.WEIGHTS, options.half)
        write_export(beside, export)
        new.checksums.add(DETECTOR_FACTS)
        write_text(beside / RunFile.CARD, card(description, export))
    megabytes = (options.output / RunFile.WEIGHTS).stat().st_size / 1e6
    use = f"scripts/karyotype.py PICTURES {kind}={options.output} --output new uses it"
    say(str(options.output), f"{megabytes:.1f} MB; {use}")


DETECTOR, CUTTER, REFINER = (
    ExportedKind(export_detector, f"python scripts/karyotype.py PICTURES {kind}={{folder}} --output new")
    for kind in ("detector", "cutter", "refiner")
)


def card(model: DetectorDescription, export: ExportFacts) -> str:
    """Return the model card as Markdown."""
    words = train.WORDS | cutter.WORDS | refiner.WORDS
    facts = {"model": model, "kind": model.settings.recipe, "export": export, "words": words, "side": REFINED_SIDE}
    return render("cytogenetics.metaphases.training", "card.md.j2", **facts) + "\n"
