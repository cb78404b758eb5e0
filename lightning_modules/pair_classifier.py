"""A classifier of pairs of homologues: is one of the two rearranged, how, which of them, and where?"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from pytorch_lightning import LightningDataModule
from torch import nn
from torch.nn.modules.utils import _pair

from common.config.schema import Config, PairsConfig
from common.errors import UserError
from common.files import sha256_of_file
from common.runs.run import ModelFacts, Run
from common.seeds import derive_seed
from lightning_modules.backbones.backbone import Backbone, check_modules
from lightning_modules.backbones.pretrained import build_pretrained
from lightning_modules.backbones.truncation import features_of
from lightning_modules.checkpoint_io import read_checkpoint
from lightning_modules.classifier import Classifier, TrainingSettings
from lightning_modules.extensions import check_extensions
from lightning_modules.inference import PredictionCollector
from lightning_modules.networks.homologue_comparison import Compared, HomologueComparison
from lightning_modules.networks.pair_summary import SUMMARY, summarise
from lightning_modules.networks.row_alignment import FACTS, GROUND, STEP, align
from lightning_modules.stages.plan import stages_of
from lightning_modules.trainer import build_trainer, check_trainer

# What a rearrangement is called, by the kind of `datamodules.homologues.changes.KINDS` less the three normal ones.
NORMAL_KINDS = 3
KINDS = ("deletion", "duplication", "inversion", "translocation")
KIND_OF = (0, 0, 1, 2, 2, 3, 3)
ROWS_PER_TOKEN = 4  # those of `datamodules.homologues.pairs.TOKEN`
PLACE_WEIGHT = 3.0  # of a changed token: there are far fewer of them
# Rows cut off at either end before the backbone, for speed: multiples of ROWS_PER_TOKEN. Half of a canvas is ground.
CUTS = (56, 40, 24)
BORDER = 4  # rows of ground that stay at either end


class PairClassifier(Classifier):
    """Compares two homologues; a batch is that of `datamodules.homologues.pair_datamodule.PairDataModule`.

    Args:
        backbone: Gives features (B, C, T, W) of a chromosome.
        head: Compares the features of two.
        facts: Channel means and standard deviations, and timm's arguments.
        settings: Loss, optimiser, schedule and learning rate.
        weights: Those of the losses.
    """

    head: HomologueComparison

    def __init__(
        self,
        backbone: nn.Module,
        head: HomologueComparison,
        facts: ModelFacts,
        settings: TrainingSettings,
        weights: PairsConfig,
    ) -> None:
        super().__init__(backbone, head, 2, facts, settings)
        self.weights = weights
        self.kind_of: torch.Tensor
        self.register_buffer("kind_of", torch.tensor(KIND_OF), persistent=False)

    def compare(self, image: torch.Tensor, chromosome: torch.Tensor) -> Compared:
        """Compare pairs.

        Args:
            image: Both chromosomes, float in [0, 1], shape (B, 2, H, W).
            chromosome: Their class, index into CHROMOSOMES, int64, shape (B,).
        """
        aligned = align(image)
        features = self.features_of_pairs(image, aligned.warped)
        compared: Compared = self.head(features, aligned.facts, summarise(image, aligned), chromosome)
        return Compared(*(logits.float() for logits in compared))

    def features_of_pairs(self, image: torch.Tensor, warped: torch.Tensor) -> torch.Tensor:
        """Return the features of both chromosomes beside each other, 0 beyond their ends, shape (B, 2, C, T, W).

        Args:
            image: Both chromosomes, as for `compare`.
            warped: The other one of each, see `align`.
        """
        seen = torch.unflatten(beside_partner(image, warped), 0, (-1, 2))
        cuts = rows_to_cut(image)
        parts: list[torch.Tensor] = []
        of_part: list[torch.Tensor] = []
        for cut in sorted(set(cuts.tolist())):
            pairs = torch.nonzero(cuts == cut).squeeze(1)
            rows = seen[pairs, :, :, cut : image.shape[2] - cut]
            features = torch.unflatten(self.features(rows.flatten(0, 1)), 0, (-1, 2))
            beyond = cut // ROWS_PER_TOKEN
            parts.append(F.pad(features, (0, 0, beyond, beyond)))
            of_part.append(pairs)
        return torch.cat(parts)[torch.cat(of_part).argsort()]

    def training_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> dict[str, torch.Tensor]:
        """Return the loss of a batch and which pairs are classified correctly."""
        compared = self.compare(batch["image"], batch["chromosome"])
        label = batch["label"]
        loss = self.pair_loss(compared, batch)
        scores = torch.sigmoid(compared.abnormal.detach())
        self.keep_for_epoch(loss, scores, label)
        return {"loss": loss, "correct": (scores > 0.5).long() == label}

    def validation_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> None:
        """Log the validation loss, that of normal or abnormal alone, and the metrics of the epoch."""
        compared = self.compare(batch["image"], batch["chromosome"])
        label = batch["label"]
        loss = F.binary_cross_entropy_with_logits(compared.abnormal, label.float())
        self.val_metrics.update(torch.sigmoid(compared.abnormal), label)
        self.log("val/loss", loss, prog_bar=True, batch_size=len(label), sync_dist=True)

    def predict_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> dict[str, torch.Tensor]:
        """Return what is found of each pair, and what was done to it; see `workflows.homologues.train.pair_table`."""
        compared = self.compare(batch["image"], batch["chromosome"])
        place, hottest = torch.sigmoid(compared.place).flatten(1).max(1)
        start, stop = changed_tokens(batch["place"])
        return {
            "index": batch["index"],
            "score": compared.abnormal,
            "kind": torch.softmax(compared.kind, dim=1),
            "first_changed": torch.sigmoid(compared.which),
            "hottest": hottest,
            "place": place,
            "hit": batch["place"].flatten(1).gather(1, hottest[:, None]).squeeze(1),
            "chance": chance_of_hit(batch["image"], batch["place"]),
            "longer": longer_chromosome(batch["image"]),
            "start_first": start[:, 0],
            "stop_first": stop[:, 0],
            "start_second": start[:, 1],
            "stop_second": stop[:, 1],
            "changed": batch["changed"],
            "size": batch["size"],
            "arm_change": batch["arm_change"],
        }

    def pair_loss(self, compared: Compared, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the loss: of being abnormal, and of kind, chromosome and place of what is."""
        label = batch["label"].float()
        loss = F.binary_cross_entropy_with_logits(compared.abnormal, label)
        abnormal = batch["label"] > 0
        if abnormal.any():
            kind = self.kind_of[batch["kind"][abnormal] - NORMAL_KINDS]
            first = 1 - batch["changed"][abnormal].float()
            of_kind = F.cross_entropy(compared.kind[abnormal], kind)
            of_which = F.binary_cross_entropy_with_logits(compared.which[abnormal], first)
            loss = loss + self.weights.kind_weight * (of_kind + of_which)
        weight = torch.tensor(PLACE_WEIGHT, device=label.device)
        of_place = F.binary_cross_entropy_with_logits(compared.place, batch["place"], pos_weight=weight)
        return loss + self.weights.place_weight * of_place


def chance_of_hit(image: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """Return the share of the tokens on both chromosomes that are changed: how often one drawn at random is.

    Args:
        image: Both chromosomes on black, shape (B, 2, H, W).
        place: 1 for changed tokens, shape (B, 2, T).
    """
    on_chromosome = torch.unflatten(image.amax(3), 2, (-1, ROWS_PER_TOKEN)).amax(3) > 0
    changed = (place > 0) & on_chromosome
    return changed.flatten(1).sum(1) / on_chromosome.flatten(1).sum(1).clamp(min=1)


def rows_to_cut(image: torch.Tensor) -> torch.Tensor:
    """Return how many rows of ground, one of CUTS or 0, may be cut off at either end of each pair, int64, shape (B,).

    Args:
        image: Both chromosomes on black, shape (B, 2, H, W).
    """
    covered = image.amax((1, 3)) > GROUND
    ground = torch.minimum(_ground_rows(covered), _ground_rows(covered.flip(1)))
    cuts = torch.zeros_like(ground)
    for cut in sorted(CUTS):
        cuts = torch.where(ground >= cut + BORDER, cut, cuts)
    return cuts


def _ground_rows(covered: torch.Tensor) -> torch.Tensor:
    """Return how many rows, (B, H), are before the first covered one, 0 where none is covered."""
    return covered.int().argmax(1)


def changed_tokens(place: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the first changed token of both chromosomes and the one after the last, int64, shape (B, 2) each.

    Args:
        place: 1 for changed tokens, which follow each other, shape (B, 2, T); both are 0 where there are none.
    """
    start = place.argmax(2)
    return start, torch.where(place.amax(2) > 0, start + place.sum(2).long(), 0)


def longer_chromosome(image: torch.Tensor) -> torch.Tensor:
    """Return which of the two chromosomes has more rows, 0 or 1, int64, shape (B,); the first, where both are equal.

    Args:
        image: Both chromosomes on black, shape (B, 2, H, W).
    """
    return (image.amax(3) > GROUND).sum(2).argmax(1)


def beside_partner(image: torch.Tensor, warped: torch.Tensor) -> torch.Tensor:
    """Return what the backbone sees of each chromosome: it, its partner row by row, and their difference, as channels.

    Args:
        image: Both chromosomes, in [0, 1], shape (B, 2, H, W).
        warped: The other one of each, see `align`, likewise.

    Returns:
        In [0, 1], float, shape (2 B, 3, H, W).
    """
    difference = 0.5 + (image - warped) / 2
    return torch.stack([image, warped, difference], dim=2).flatten(0, 1)


def build_pair_classifier(config: Config) -> tuple[PairClassifier, dict[str, str | None]]:
    """Build the network with its first weights, and check device, optimisers and module names of all stages.

    Returns:
        The classifier, and the content hashes that belong to the run's identity.

    Raises:
        UserError: A name, a weights file or a device is wrong or absent, or the backbone has no axis left.
    """
    check_trainer(config)
    check_extensions(config)
    torch.manual_seed(derive_seed("weights", config.seed))
    height, _ = config.prepare.shape
    size = (height, config.pairs.width)
    backbone, info = build_pretrained(config.model, config.weights, size, config.pretrained, config.weights_dir)
    for stage in stages_of(config).values():
        check_modules(backbone.module, stage.train)
    model = assemble_pairs(config, backbone, ModelFacts(list(info.mean), list(info.std), info.args))
    contents: dict[str, str | None] = {"weights": info.content_hash(), "init_from": None}
    if config.init_from:
        contents["init_from"] = load_backbone(model, Run(Path(config.init_from)))
    elif config.pretrained.batchnorm == "restored":
        model.folded_batchnorm = info.folded
    if config.trainer.channels_last:
        model.to(memory_format=torch.channels_last)
    if config.trainer.compile:
        model.compile_backbone()
    return model, contents


def load_backbone(model: PairClassifier, run: Run) -> str:
    """Load the backbone of a finished run, of single chromosomes or of pairs; return the SHA-256 of its file.

    The other network may have more layers than this one, which are left out.

    Raises:
        UserError: It lacks a layer of this one, has one of another shape, or images of another mean or deviation.
    """
    here, there = model.facts(), run.model
    if (here.mean, here.std) != (there.mean, there.std):
        raise UserError(
            f"init_from={run.folder}: its images have another mean and standard deviation: use its weights= here too"
        )
    path = run.best_checkpoint
    theirs = read_checkpoint(path)["state_dict"]
    own = {f"backbone.{name}": values for name, values in model.backbone.state_dict().items()}
    for name, values in own.items():
        if name not in theirs or theirs[name].shape != values.shape:
            raise UserError(
                f"init_from={run.folder}: its network has no layer like {name.removeprefix('backbone.')} here: name a "
                "run with the same model.name, such as +experiment=chromosomes_any"
            )
    model.load_state_dict({name: theirs[name] for name in own}, strict=False)
    return sha256_of_file(path)


def assemble_pairs(config: Config, backbone: Backbone, facts: ModelFacts) -> PairClassifier:
    """Let a convolutional backbone keep its rows, and put the comparison on it.

    Raises:
        UserError: The backbone has not a quarter of the image's rows.
    """
    height, _ = config.prepare.shape
    keep_rows(backbone.module)
    channels, tokens = feature_shape(backbone.module, (height, config.pairs.width))
    head = HomologueComparison(channels, tokens, FACTS * ROWS_PER_TOKEN // STEP, SUMMARY, len(KINDS))
    settings = TrainingSettings(config.loss, config.optimizer, config.scheduler)
    return PairClassifier(backbone.module, head, facts, settings, config.pairs)


def keep_rows(network: nn.Module) -> None:
    """Let all strided layers but the first two halve the columns alone, so that a quarter of the rows remains.

    The rows carry the bands. The first two are the stem of a ResNet.
    """
    strided = [layer for layer in network.modules() if _pair(getattr(layer, "stride", 1)) == (2, 2)]
    for layer in strided[2:]:
        setattr(layer, "stride", (1, 2))  # noqa: B010 (a Module declares no stride)
        if isinstance(layer, nn.AvgPool2d):
            layer.kernel_size = (1, 2)


def feature_shape(network: nn.Module, size: tuple[int, int]) -> tuple[int, int]:
    """Return channels and rows of the features of an image of (height, width) pixels.

    Raises:
        UserError: They are not a quarter of the image's rows.
    """
    with torch.no_grad():
        features = features_of(network.eval(), torch.zeros(1, 3, *size))
    if features.ndim != 4 or features.shape[2] * ROWS_PER_TOKEN != size[0]:
        raise UserError(
            "pairs.enabled=true needs a network such as a cut ResNet, whose features have a row for every four of the "
            f"image: model.name=resnet18 model.cut=layer2 prepare.size=[{size[0] // 4 * 4}, ...]"
        )
    return int(features.shape[1]), int(features.shape[2])


def predict_pairs(model: PairClassifier, data: LightningDataModule, config: Config) -> dict[str, np.ndarray]:
    """Return what ``predict_step`` gives for each item of ``predict_dataloader``, by name."""
    collector = PredictionCollector()
    trainer = build_trainer(config, callbacks=[collector])
    trainer.predict(model, datamodule=data, return_predictions=False)
    found = collector.arrays()
    if not np.isfinite(found["score"]).all():
        raise UserError("the trained model gives no numbers (NaN): lower the learning rates of unfreeze.stages")
    return found
