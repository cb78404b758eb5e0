"""A trained classifier from the folder of its run: nothing else is read, neither data nor the first weights."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from torch import nn

from common.config.schema import Config
from common.errors import UserError
from common.runs.run import is_finished, read_status
from lightning_modules.backbones.backbone import build_backbone
from lightning_modules.backbones.truncation import Removed
from lightning_modules.build import assemble
from lightning_modules.classifier import Classifier
from lightning_modules.stages.fit import load_checkpoint


@dataclass(frozen=True)
class TrainedRun:
    """A finished run's model.

    Attributes:
        folder: The run's folder.
        config: The configuration that it was trained with.
        classifier: With its best weights, in eval mode, on the CPU; it takes images (B, 3, H, W), float32 in [0, 1].
        classes: The class names, in the order of the logits; a single logit is that of the last.
        positive_class: None where there are more than two classes.
    """

    folder: Path
    config: Config
    classifier: Classifier
    classes: tuple[str, ...]
    positive_class: str | None

    @property
    def network(self) -> str:
        """The name of the network and, where it is cut, the module that it ends with."""
        model = self.config.model
        if model.cut is None:
            return model.name
        return f"{model.name} to {model.cut}"

    def layers(self) -> dict[str, nn.Module]:
        """Return the backbone's modules under the names that ``model.cut`` knows; what the cut took is left out."""
        modules = self.classifier.backbone.named_modules()
        return {name: module for name, module in modules if name and not isinstance(module, Removed)}


def load_run(folder: Path) -> TrainedRun:
    """Load the best model of a finished run.

    Args:
        folder: Such as ``outputs/<name>/<fold>/seed=0``.

    Raises:
        UserError: The folder is no finished run, was written by code that described runs otherwise, or lacks its
            checkpoint.
    """
    folder = Path(folder)
    config = read_config(folder)
    model, data = (_read_facts(folder, name) for name in ("model.json", "data.json"))
    try:
        classes = data["classes"]
        scaling = (model["mean"], model["std"], model["args"])
    except KeyError as error:
        raise UserError(_other_code(folder, f"model.json or data.json says nothing of {error}")) from error
    # The model as it was made, with random weights: those of the checkpoint replace every one of them.
    backbone = build_backbone(config.model.name, scaling[2], config.model.cut, config.prepare.size)
    classifier = assemble(config, backbone, *scaling, len(classes))
    load_checkpoint(classifier, folder / read_status(folder)["best"])
    return TrainedRun(folder, config, classifier.eval(), tuple(classes), data["positive_class"])


def read_config(folder: Path) -> Config:
    """Read the configuration of a finished run.

    Raises:
        UserError: The folder is no finished run, or this code knows other keys.
    """
    if not is_finished(folder):
        status = read_status(folder).get("status")
        if status:
            found = f"a run that is not finished ({status})"
        else:
            found = "no run of Karyocyte"
        raise UserError(f"{folder} is {found}: name a finished run's folder, such as outputs/<name>/<fold>/seed=0")
    try:
        return Config.model_validate(yaml.safe_load((folder / "config.yaml").read_text()))
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"]))
        raise UserError(_other_code(folder, f"config.yaml: {place}: {fault['msg']}")) from error


def _read_facts(folder: Path, name: str) -> dict[str, Any]:
    path = folder / name
    if not path.is_file():
        raise UserError(_other_code(folder, f"it has no {name}"))
    return json.loads(path.read_text())


def _other_code(folder: Path, fault: str) -> str:
    path = folder / "environment.json"
    if path.is_file():
        made_with = ", ".join(json.loads(path.read_text()).get("revisions", []))
    else:
        made_with = ""
    if made_with:
        way_out = f"train it again, or use revision {made_with}"
    else:
        way_out = "train it again"
    return f"{folder} was written by other code ({fault}): {way_out}"
