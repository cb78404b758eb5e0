"""A trained detector as a folder that needs no run: weights (safetensors), model.json, and README.md, a card."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from pydantic import TypeAdapter, ValidationError
from safetensors.torch import save

from common.cli import say
from common.errors import UserError
from common.files import read_whole_json, sha256_of_file, write_json, write_text
from common.revision import revision
from common.runs.files import PortableFile
from common.runs.run import ModelFacts, Run
from datamodules.io.whole_folder import new_whole_folder
from datamodules.metaphases.data_module import network_picture, padded
from lightning_modules.backbones.backbone import build_backbone
from lightning_modules.checkpoint_io import exported_parts, load_checkpoint, load_exported
from lightning_modules.detection.decoding import decode
from lightning_modules.detection.detector import Detector
from lightning_modules.detection.network import CentreDecoder, levels_of
from lightning_modules.optimizers import TrainingSettings
from workflows.detection.evaluate import WORDS, logit
from workflows.detection.folders import KIND, is_detector_run, is_portable_detector
from workflows.export.run import CODE_LICENCE, training_command

FORMAT = 1
WEIGHTS = "detector.safetensors"
FACTS = "detector.json"  # in the folder of a run: its calibration
REMEDY = "export it again with scripts/export.py"


class FoundBoxes(NamedTuple):
    """The boxes of a picture, the most certain first.

    Attributes:
        boxes: left, top, right, bottom in pixels of the picture, float32, shape (n, 4).
        probabilities: That a box holds a chromosome, calibrated, float64, shape (n,).
    """

    boxes: np.ndarray
    probabilities: np.ndarray


@dataclass(frozen=True, kw_only=True)
class DetectorDescription:
    """The content of model.json.

    Attributes:
        name: timm's name of the backbone.
        args: Its further arguments.
        cut: The module that it ends with; None for the whole network.
        width: Channels of the decoder.
        mean: Of the channels, which images in [0, 1] are normalised with.
        std: Their standard deviations.
        scale: Of the pictures that the network sees.
        calibration: Slope and intercept of the logit of the probability of a box over that of its score.
        evaluation: The rows of detection.csv: metric, value, low, high.
        command: That trained it, without the places of files; None where it is not known.
        licence: Of the weights; None where nobody has stated it.
        data_notes: What is to be said of the data, as Markdown.
        sha256: Of the weights; "" in a run.
    """

    name: str
    args: dict[str, Any]
    cut: str | None
    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    scale: float
    calibration: tuple[float, float]
    evaluation: list[dict[str, Any]]
    command: str | None
    licence: str | None = None
    data_notes: str = ""
    revision: str = ""
    sha256: str = ""
    format: int = field(default=FORMAT)
    kind: str = KIND


_DESCRIPTION = TypeAdapter(DetectorDescription)


class TrainedDetector:
    """A detector with its weights, on the CPU or, where torch sees one, a GPU."""

    def __init__(self, description: DetectorDescription) -> None:
        """Build the network; its weights are random until they are loaded."""
        backbone = build_backbone(description.name, description.args, description.cut, (64, 64)).module
        with torch.no_grad():
            levels = levels_of(backbone.eval(), torch.zeros(1, 3, 64, 64))
        decoder = CentreDecoder([level.shape[1] for level in levels], description.width)
        facts = ModelFacts(list(description.mean), list(description.std), description.args)
        self.description = description
        self.module = Detector(backbone, decoder, facts, TrainingSettings())

    def ready(self) -> "TrainedDetector":
        """Move it to where it computes fastest; return it."""
        device = "cuda" if torch.cuda.is_available() else "cpu"
        self.module.eval().to(device=device, memory_format=torch.channels_last)
        return self

    @torch.inference_mode()
    def find(self, image: np.ndarray) -> FoundBoxes:
        """Find the chromosomes of a picture, uint8 RGB, shape (H, W, 3), on a light or a dark ground."""
        scale = self.description.scale
        small = network_picture(image, scale)
        batch = padded([small]).to(self.module.device).float() / 255
        boxes, scores = (one[0].cpu().numpy() for one in decode(self.module(batch)))
        kept = scores > 0
        limits = np.array(image.shape[1::-1] * 2, np.float32)
        slope, intercept = self.description.calibration
        logits = slope * logit(scores[kept]) + intercept
        return FoundBoxes((boxes[kept] / np.float32(scale)).clip(0, limits), 1 / (1 + np.exp(-logits)))


def load_detector(folder: Path) -> TrainedDetector:
    """Load a detector from the folder of a finished run or of an exported detector.

    Raises:
        UserError: The folder holds no detector, or its files are missing, changed or damaged.
    """
    path = folder / PortableFile.MODEL
    if not is_portable_detector(folder):
        if not is_detector_run(folder):
            raise UserError(f"{folder} holds no detector: train one (+experiment=metaphase_detector) and name its run")
        run = Run.open_finished(folder)
        detector = TrainedDetector(describe(run))
        load_checkpoint(detector.module, run.best_checkpoint)
        return detector.ready()
    try:
        description = _DESCRIPTION.validate_python(json.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}: {REMEDY}") from error
    weights = folder / WEIGHTS
    if not weights.is_file() or sha256_of_file(weights) != description.sha256:
        raise UserError(f"{weights} is missing, or was changed since it was exported: {REMEDY}")
    detector = TrainedDetector(description)
    load_exported(detector.module, weights)
    return detector.ready()


def describe(run: Run) -> DetectorDescription:
    """Describe the detector of a finished run.

    Raises:
        UserError: The run was not evaluated.
    """
    config = run.config
    facts: Mapping[str, Any] = read_whole_json(run.folder / FACTS)
    if not facts:
        raise UserError(f"{run.folder} has no {FACTS}: repeat its training command, which evaluates it")
    return DetectorDescription(
        name=config.model.name,
        args=run.model.args,
        cut=config.model.cut,
        width=int(config.head.layers[0]["centres"]),  # type: ignore[index]  # see `build_detector`
        mean=tuple(run.model.mean),
        std=tuple(run.model.std),
        scale=float(config.prepare.canvas.scale),
        calibration=tuple(facts["calibration"]),
        evaluation=facts["evaluation"],
        command=training_command(run),
    )


def export_detector(folder: Path, output: Path, licence: str | None, half: bool, notes: Path | None) -> None:
    """Write the folder of a detector, whole or not at all; ``half``: weights in 16 bits."""
    description = describe(Run.open_finished(folder))
    weights = {}
    for name, values in exported_parts(load_detector(folder).module).state_dict().items():
        weights[name] = (values.half() if half and values.ndim > 1 else values).cpu().contiguous()
    with new_whole_folder(output) as beside:
        (beside / WEIGHTS).write_bytes(save(weights))
        added: dict[str, Any] = {
            "licence": licence,
            "data_notes": notes.read_text(encoding="utf-8").strip() if notes else "",
            "revision": revision(),
            "sha256": sha256_of_file(beside / WEIGHTS),
        }
        written = replace(description, **added)
        write_json(beside / PortableFile.MODEL, asdict(written))
        write_text(beside / PortableFile.CARD, card(written))
    megabytes = (output / WEIGHTS).stat().st_size / 1e6
    say(str(output), f"{megabytes:.1f} MB; scripts/karyotype.py PICTURES detector={output} --output new uses it")


def card(model: DetectorDescription) -> str:
    """Return the model card as Markdown."""
    rows = []
    for row in model.evaluation:
        interval = "" if row["low"] is None else f"{row['low']:.3f} to {row['high']:.3f}"
        value = "not measured" if row["value"] is None else f"{row['value']:.3f}"
        rows.append(f"| {WORDS.get(row['metric'], row['metric'])} | {value} | {interval} |")
    network = " to ".join(filter(None, (model.name, model.cut)))
    lines = [
        "# A detector of chromosomes",
        "Finds the chromosomes in pictures of whole metaphases, a box for each, whatever their class: "
        f"{network} and a decoder of {model.width} channels, on pictures scaled by {model.scale:g}.",
        "## Intended use and limits",
        "Research, not diagnosis. It knows pictures such as those that it was trained on; an expert should check every "
        "box. Chromosomes that cross each other are the ones that it misses.",
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
