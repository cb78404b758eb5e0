"""Classifiers in a notebook: built by names, and loaded from a checkpoint of any Trainer."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from pytorch_lightning import LightningModule

from common.config.defaults import composition
from common.config.schema import ModelConfig
from common.errors import UserError
from common.runs.run import ModelFacts
from lightning_modules.backbones.backbone import Backbone, build_backbone
from lightning_modules.backbones.heads import build_head
from lightning_modules.backbones.pretrained import build_pretrained
from lightning_modules.checkpoint_io import load_checkpoint, read_checkpoint
from lightning_modules.optimizers import TrainingSettings


class ByName(LightningModule):
    """What builds and loads a classifier by names; the constructor is that of `Classifier`."""

    @classmethod
    def create(
        cls,
        backbone: str,
        num_classes: int,
        *,
        cut: str | None = None,
        weights: str = "random",
        image_size: int = 224,
        lr: float = 1e-3,
    ) -> Self:
        """Build a classifier of a timm network, global average pooling and one linear layer, trained by Adam.

        Args:
            backbone: timm's name of the network, or one of `lightning_modules.networks`.
            num_classes: Number of classes; two share one logit.
            cut: Name of the module whose output are the features; None for the whole network.
            weights: One of timm's tags, the name of a file in the folder of KARYOCYTE_WEIGHTS_DIR, the path of a
                .safetensors file with its side file, "hf-hub:<owner>/<repository>", "local-dir:<folder>", or "random".
            image_size: Side of the images in pixels.
            lr: Learning rate.

        Raises:
            UserError: A name, a weights file or the size does not fit.
        """
        model = ModelConfig(name=backbone, args={}, cut=cut, weights=weights)
        network, info = build_pretrained(model, weights, image_size, weights_dir=composition().weights_dir)
        facts = ModelFacts(list(info.mean), list(info.std), info.args)
        built = {"backbone": backbone, "num_classes": num_classes, "cut": cut, "image_size": image_size, "lr": lr}
        return cls._from_hyperparameters(network, {**built, "facts": asdict(facts)})

    @classmethod
    def load_from_checkpoint(cls, checkpoint_path: str | Path) -> Self:  # type: ignore[override]  # no options
        """Load a classifier that ``create`` has built from a checkpoint of Lightning, on the CPU, in training mode.

        The file is enough: the weights that the training began with are not needed.

        Raises:
            UserError: The file is missing, or ``create`` did not build its classifier.
        """
        path = Path(checkpoint_path)
        settings = read_checkpoint(path).get(cls.CHECKPOINT_HYPER_PARAMS_KEY)
        if not settings:
            remedy = "a run of train.py is loaded by lightning_modules.load.load_run(<its folder>).classifier"
            raise UserError(f"{path} is of no classifier that Classifier.create has built; {remedy}")
        arguments = settings["facts"]["args"]
        network = build_backbone(settings["backbone"], arguments, settings["cut"], settings["image_size"])
        model = cls._from_hyperparameters(network, settings)
        load_checkpoint(model, path)
        return model

    @classmethod
    def _from_hyperparameters(cls, network: Backbone, settings: dict[str, Any]) -> Self:
        classes = settings["num_classes"]
        logits = 1 if classes == 2 else classes
        head = build_head(["gap"], network.out_shape, logits, network.layout, network.prefix_tokens)
        training = TrainingSettings(lr=settings["lr"])
        model = cls(network.module, head, classes, ModelFacts(**settings["facts"]), training)
        model.save_hyperparameters(settings)
        return model
