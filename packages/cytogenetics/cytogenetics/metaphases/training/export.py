"""A trained detector, refiner or cutter as a folder that needs no run: weights, model.json, and README.md, a card."""

from dataclasses import replace
from pathlib import Path

from cytogenetics.config.networks import REFINED_SIDE
from cytogenetics.metaphases.networks.trained import NETWORKS, describe, load
from cytogenetics.metaphases.training import cutter, refiner, train
from cytogenetics.portable.pictures import DetectorDescription
from datamodules.io.whole_folder import new_whole_folder
from karyocyte.common.cli import say
from karyocyte.common.files import write_text
from karyocyte.common.revision import revision
from karyocyte.evaluation.pages.rendering import render
from karyocyte.inference.torch_network import save_weights
from karyocyte.recipes.portable import PortableKind
from karyocyte.runs.files import PortableFile
from karyocyte.runs.portable import Licence, write_description
from karyocyte.runs.run import Run


def export_detector(folder: Path, output: Path, licence: str | None, half: bool, notes: Path | None) -> None:
    """Write the folder of a detector, a refiner or a cutter, whole or not at all; ``half``: weights in 16 bits."""
    description = describe(Run.open_finished(folder))
    file = description.weights
    with new_whole_folder(output) as beside:
        save_weights(load(folder, NETWORKS[description.kind]), beside / file, half)
        written = replace(
            description,
            licence=Licence(weights=licence),
            data_notes=notes.read_text(encoding="utf-8").strip() if notes else "",
            revision=revision(),
        )
        write_description(beside, written)
        write_text(beside / PortableFile.CARD, card(written))
    megabytes = (output / file).stat().st_size / 1e6
    say(
        str(output),
        f"{megabytes:.1f} MB; scripts/karyotype.py PICTURES {Path(file).stem}={output} --output new uses it",
    )


DETECTOR, CUTTER, REFINER = (
    PortableKind(export_detector, f"python scripts/karyotype.py PICTURES {kind}={{folder}} --output new")
    for kind in ("detector", "cutter", "refiner")
)


def card(model: DetectorDescription) -> str:
    """Return the model card as Markdown."""
    words = train.WORDS | cutter.WORDS | refiner.WORDS
    facts = {"model": model, "words": words, "side": REFINED_SIDE}
    return render("cytogenetics.metaphases.training", "card.md.j2", **facts) + "\n"
