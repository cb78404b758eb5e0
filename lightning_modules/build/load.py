"""A trained network from the folder of its run, or of its export, without Lightning: no data and no first weights."""

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from karyocyte.runs.facts import PredictionSettings
from karyocyte.runs.run import Run
from lightning_modules.backbones.backbone import build_backbone, count_logits
from lightning_modules.backbones.heads import build_head
from lightning_modules.backbones.truncation import Removed
from lightning_modules.modules.image_network import ClassifierNetwork
from lightning_modules.support.checkpoint_io import load_weights


@dataclass(frozen=True)
class TrainedRun:
    """A finished run's model: its network with the best weights, in eval mode, on the CPU.

    ``classes`` are in the order of the logits; a single logit is that of the last.
    """

    config: PredictionSettings
    classifier: ClassifierNetwork
    classes: tuple[str, ...]

    @property
    def network(self) -> str:
        """The name of the network and, where it is cut, the module that it ends with."""
        model = self.config.model
        return " to ".join(filter(None, (model.name, model.cut)))

    def layers(self) -> dict[str, nn.Module]:
        """Return the backbone's modules by the names that ``model.cut`` takes, without those that the cut removed."""
        modules = self.classifier.backbone.named_modules()
        return {name: module for name, module in modules if name and not isinstance(module, Removed)}


def load_run(folder: Path) -> TrainedRun:
    """Load the best model of a finished run, such as ``outputs/<name>/<fold>/seed=0``, or of an export.

    Raises:
        UserError: The folder is neither, was written by code with another format, or lacks its weights.
    """
    run = Run.open_trained(folder)
    config, facts, classes = run.prediction, run.model, run.data.classes
    backbone = build_backbone(config.model.name, facts.args, config.model.cut, config.prepare.size)
    logits = count_logits(config.head, len(classes))
    head = build_head(config.head.layers, backbone.out_shape, logits, backbone.layout, backbone.prefix_tokens)
    classifier = ClassifierNetwork(backbone.module, head, len(classes), facts, config.head.orientation)
    load_weights(classifier, run.best_checkpoint)
    return TrainedRun(config, classifier.eval(), classes)
