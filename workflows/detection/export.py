"""A trained detector or cutter as a folder that needs no run: weights, model.json, and README.md, a card."""

from dataclasses import asdict, replace
from pathlib import Path

from common.cli import say
from common.files import sha256_of_file, write_json, write_text
from common.revision import revision
from common.runs.files import PortableFile
from common.runs.portable import CODE_LICENCE
from common.runs.run import Run
from datamodules.io.whole_folder import new_whole_folder
from lightning_modules.detection.trained import CUTTER_KIND, WEIGHTS, Description, describe, load
from workflows.detection import cutter, evaluate
from workflows.torch_network import save_weights

DETECTOR = ("# A detector of chromosomes", "Finds the chromosomes in pictures of whole metaphases, a box for each.")
CUTTER = ("# A cutter of chromosomes", "Tells which pixels of a box belong to its chromosome, and which to others.")


def export_detector(folder: Path, output: Path, licence: str | None, half: bool, notes: Path | None) -> None:
    """Write the folder of a detector or a cutter, whole or not at all; ``half``: weights in 16 bits."""
    description = describe(Run.open_finished(folder))
    file = WEIGHTS[description.kind]
    with new_whole_folder(output) as beside:
        save_weights(load(folder, description.kind)[1], beside / file, half)
        written = replace(
            description,
            licence=licence,
            data_notes=notes.read_text(encoding="utf-8").strip() if notes else "",
            revision=revision(),
            sha256=sha256_of_file(beside / file),
        )
        write_json(beside / PortableFile.MODEL, asdict(written))
        write_text(beside / PortableFile.CARD, card(written))
    megabytes = (output / file).stat().st_size / 1e6
    say(
        str(output),
        f"{megabytes:.1f} MB; scripts/karyotype.py PICTURES {Path(file).stem}={output} --output new uses it",
    )


def card(model: Description) -> str:
    """Return the model card as Markdown."""
    words = evaluate.WORDS | cutter.WORDS
    rows = []
    for row in model.evaluation:
        interval = "" if row["low"] is None else f"{row['low']:.3f} to {row['high']:.3f}"
        value = "not measured" if row["value"] is None else f"{row['value']:.3f}"
        rows.append(f"| {words.get(row['metric'], row['metric'])} | {value} | {interval} |")
    network = " to ".join(filter(None, (model.name, model.cut)))
    lines = [
        *(CUTTER if model.kind == CUTTER_KIND else DETECTOR),
        f"The network: {network}; pictures are scaled by {model.scale:g}.",
        "## Intended use and limits",
        "Research, not diagnosis. It knows pictures such as those that it was trained on; an expert should check every "
        "chromosome, above all those that cross others.",
        "## How it was evaluated",
        "On pictures of cases that it was not trained on, with 95 % intervals by case.",
        "\n".join(["| metric | value | interval |", "|---|---|---|", *rows]),
        "## Data and training",
        model.data_notes or "Nothing is stated of the data.",
        f"    {model.command}" if model.command else "The command is not known.",
        "## Licence",
        f"Code: {CODE_LICENCE}. Weights: {model.licence or 'not stated'}. Revision of the code: {model.revision}.",
    ]
    return "\n\n".join(lines) + "\n"
