"""A trained network from the folder of its run, without Lightning: neither data nor the first weights are read."""

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from karyocyte.config.schema import Config
from karyocyte.runs.run import Run
from lightning_modules.backbones.backbone import build_backbone, count_logits
from lightning_modules.backbones.heads import build_head
from lightning_modules.backbones.truncation import Removed
from lightning_modules.modules.image_network import ClassifierNetwork
from lightning_modules.support.checkpoint_io import load_checkpoint


@dataclass(frozen=True)
class TrainedRun:
    """A finished run's model: its network with the best weights, in eval mode, on the CPU.

    ``classes`` are in the order of the logits; a single logit is that of the last, the ``positive_class``, which is
    None where there are more than two.
    """

    folder: Path
    config: Config
    classifier: ClassifierNetwork
    classes: tuple[str, ...]
    positive_class: str | None

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
    """Load the best model of a finished run, from a folder such as ``outputs/<name>/<fold>/seed=0``.

    Raises:
        UserError: The folder is no finished run, was written by code with another format, or lacks its checkpoint.
    """
    run = Run.open_finished(folder)
    config = run.config
    classes = run.data.classes
    # The network has random weights at first: those of the checkpoint replace every one of them.
    backbone = build_backbone(config.model.name, run.model.args, config.model.cut, config.prepare.size)
    logits = count_logits(config.head, len(classes))
    head = build_head(config.head.layers, backbone.out_shape, logits, backbone.layout, backbone.prefix_tokens)
    classifier = ClassifierNetwork(backbone.module, head, len(classes), run.model, config.head.orientation)
    load_checkpoint(classifier, run.best_checkpoint)
    return TrainedRun(run.folder, config, classifier.eval(), classes, run.data.positive_class)
