"""A trained network from the folder of its run, without Lightning: neither data nor the first weights are read."""

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from karyocyte.config.schema import Config
from karyocyte.runs.facts import ModelFacts
from karyocyte.runs.portable import NetworkFacts
from karyocyte.runs.run import Run
from lightning_modules.backbones.backbone import build_backbone, count_logits
from lightning_modules.backbones.heads import build_head
from lightning_modules.backbones.truncation import ImageSize, Removed
from lightning_modules.modules.image_network import ClassifierNetwork
from lightning_modules.support.checkpoint_io import load_checkpoint


@dataclass(frozen=True)
class TrainedRun:
    """A finished run's model: its network with the best weights, in eval mode, on the CPU.

    ``classes`` are in the order of the logits; a single logit is that of the last.
    """

    config: Config
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
    """Load the best model of a finished run, from a folder such as ``outputs/<name>/<fold>/seed=0``.

    Raises:
        UserError: The folder is no finished run, was written by code with another format, or lacks its checkpoint.
    """
    run = Run.open_finished(folder)
    classes = run.data.classes
    classifier = build_network(network_facts(run), run.config.prepare.size, len(classes))
    load_checkpoint(classifier, run.best_checkpoint)
    return TrainedRun(run.config, classifier.eval(), classes)


def network_facts(run: Run) -> NetworkFacts:
    """Return what the weights of a finished run are loaded into."""
    config, model = run.config, run.model
    return NetworkFacts(
        name=config.model.name,
        args=model.args,
        cut=config.model.cut,
        head=config.head.layers,
        logits=count_logits(config.head, len(run.data.classes)),
        orientation=config.head.orientation,
        mean=tuple(model.mean),
        std=tuple(model.std),
    )


def build_network(facts: NetworkFacts, size: ImageSize, num_classes: int) -> ClassifierNetwork:
    """Build a network for images of a size (see `ImageSize`), with random weights: others are to replace all."""
    backbone = build_backbone(facts.name, facts.args, facts.cut, size)
    head = build_head(facts.head, backbone.out_shape, facts.logits, backbone.layout, backbone.prefix_tokens)
    scale_and_args = ModelFacts(list(facts.mean), list(facts.std), facts.args)
    return ClassifierNetwork(backbone.module, head, num_classes, scale_and_args, facts.orientation)
