"""From a trained classifier to probabilities: mirrored views, passes of Monte Carlo dropout."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from pytorch_lightning import Callback, LightningDataModule, LightningModule, Trainer

from karyocyte.common.config.schema import Config, InferenceConfig
from karyocyte.common.errors import UserError
from karyocyte.common.predictions import OUT_OF_DISTRIBUTION, UPSIDE_DOWN
from karyocyte.common.runs.predicted import Predicted
from lightning_modules.classifier import Classifier
from lightning_modules.distributed import gather_to_rank_zero, joint_errors
from lightning_modules.mc_dropout import McDropout
from lightning_modules.orientation import turn
from lightning_modules.out_of_distribution import Distances, OutOfDistribution, looks_of
from lightning_modules.training.machine import explained_faults
from lightning_modules.training.trainer import build_trainer

FEATURES = "features"
LOOKS = "looks"


class Predictor(LightningModule):
    """Computes a classifier's probabilities by ``config.inference``; the classifier itself does not change.

    Args:
        classifier: The trained model.
        inference: Views to average over, and passes with dropout.
        seed: Seed of the dropout masks.
        distance: Measures how far images are from the training images; None: it is not measured.
        keep_features: Whether what distances are fitted on is returned, too.
    """

    def __init__(
        self,
        classifier: Classifier,
        inference: InferenceConfig,
        seed: int = 0,
        distance: Distances | OutOfDistribution | None = None,
        keep_features: bool = False,
    ) -> None:
        super().__init__()
        self.classifier = classifier
        self.distance = distance
        self.keep_features = keep_features
        self.mirror = inference.mirror
        self.mc_dropout = McDropout(classifier, inference.mc_passes, seed) if inference.mc_passes else None

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return {"probability": float32 (B, classes)} of images (B, C, H, W), float in [0, 1].

        With Monte Carlo dropout also {"passes": float32 (B, passes, classes)}; with ``head.orientation``,
        {"upside_down": float32 (B,)}, the probability that it is upside down; with a distance,
        {"out_of_distribution": float32}, what it returns; where they are kept, {"features": float32 (B, D)}, what the
        last layer takes, on average over the views, and {"looks": float32 (B, 8)}.
        """
        predicted = self._over_mirrored(image)
        if self.classifier.orientation:
            turned = self._over_mirrored(turn(image))
            for key, values in turned.items():
                turned[key] = values.flip(-2)  # what is upright in the turned image is upside down in the image
            predicted = _mean(predicted, turned)
            upside_down = predicted["probability"][:, 1].sum(-1)
        for key, values in predicted.items():
            predicted[key] = values.sum(-2)
        if self.classifier.orientation:
            predicted[UPSIDE_DOWN] = upside_down
        if self.distance is not None:
            predicted[OUT_OF_DISTRIBUTION] = self.distance(image, predicted[FEATURES])
        if self.keep_features:
            return {**predicted, LOOKS: looks_of(image)}
        predicted.pop(FEATURES, None)
        return predicted

    def predict_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> dict[str, torch.Tensor]:
        """Return what ``forward`` computes, with the batch's {"index": int64 (B,)}."""
        return {"index": batch["index"], **self(batch["image"])}

    def _over_mirrored(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        oriented = self._oriented(image)
        if self.mirror:
            oriented = _mean(oriented, self._oriented(image.flip(-1)))
        return oriented

    def _oriented(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the probabilities by name, shape (B, ..., orientations, classes), of one view of the images.

        Of the features there is one orientation, (B, 1, D).
        """
        predicted = {}
        needs_features = self.keep_features or self.distance is not None
        if self.mc_dropout is None or needs_features:
            logits, embedding = self.classifier.logits_and_embedding(image)
        if self.mc_dropout is not None:
            logits, passes = self.mc_dropout.plain_and_passes(image)
            sampled = torch.unflatten(self._by_orientation(passes.float().flatten(0, 1)), 0, passes.shape[:2])
            predicted["passes"] = sampled.transpose(0, 1)
        predicted["probability"] = self._by_orientation(logits.float())
        if needs_features:
            predicted[FEATURES] = embedding.float().flatten(1).unsqueeze(1)
        return predicted

    def _by_orientation(self, logits: torch.Tensor) -> torch.Tensor:
        """Return probabilities, shape (B, orientations, classes), of what the head gives: 1 or 2 orientations."""
        if self.classifier.orientation:
            return torch.unflatten(torch.softmax(logits, dim=1), 1, (2, -1))
        return self.classifier.probabilities(logits).unsqueeze(1)


def _mean(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    mean = {}
    for key, values in first.items():
        mean[key] = (values + second[key]) / 2
    return mean


class PredictionCollector(Callback):
    """Keeps what ``predict_step`` returns, as arrays of their own.

    Lightning would keep the small tensors of every batch, which pin the memory around them: 0.4 MB for each image.
    """

    def __init__(self) -> None:
        self._batches: dict[str, list[np.ndarray]] = {}

    def on_predict_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, *numbers: int
    ) -> None:
        """Keep a batch."""
        for name, values in outputs.items():
            self._batches.setdefault(name, []).append(values.cpu().numpy().copy())

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the predictions by name, shape (images, ...); empty without any batch."""
        return dict(zip(self._batches, map(np.concatenate, self._batches.values()), strict=True))


def predict(
    model: Classifier,
    data: LightningDataModule,
    config: Config,
    distance: Distances | OutOfDistribution | None = None,
    keep_features: bool = False,
) -> Predicted | None:
    """Return the model's probabilities for every image that the datamodule's ``predict_dataloader`` serves, once each.

    Processes that share the images hand their predictions to the first one, in the whole order; the others get None.
    The further arguments are those of ``Predictor``.

    Raises:
        UserError: The model gives something else than numbers: its training went astray. Or it has no dropout, and
            passes are asked for.
        OutOfMemoryError: A batch does not fit the memory.
    """
    predictor = Predictor(model, config.inference, config.seed, distance, keep_features)
    arrays = predicted_arrays(predictor, data, config)
    if arrays is None:
        return None
    return Predicted.of_arrays(
        arrays.get("index", np.zeros(0, np.int64)), arrays, model.num_classes, config.inference.mc_passes
    )


def predicted_arrays(
    module: LightningModule, data: LightningDataModule, config: Config
) -> dict[str, np.ndarray] | None:
    """Return what the ``predict_step`` of a module gives for every image, by name; None but on the first process.

    Raises:
        UserError: It gives something else than numbers.
        OutOfMemoryError: A batch does not fit the memory.
    """
    collector = PredictionCollector()
    trainer = build_trainer(config, callbacks=[collector])
    with explained_faults(config.loader):
        trainer.predict(module, datamodule=data, return_predictions=False)
    shares = gather_to_rank_zero(collector.arrays())
    arrays = interleaved(shares or [{}])
    with joint_errors():
        if not all(map(np.all, map(np.isfinite, arrays.values()))):
            raise UserError("the trained model gives no numbers (NaN): lower the learning rates of unfreeze.stages")
    return None if shares is None else arrays


def interleaved(shares: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Return rows by name in their whole order, of which the share of process r of n is the rows r, r + n, ..."""
    if len(shares) == 1:
        return shares[0]
    whole = {}
    for name, first in shares[0].items():
        rows = sum(len(share[name]) for share in shares)
        whole[name] = np.empty((rows, *first.shape[1:]), first.dtype)
        for rank, share in enumerate(shares):
            whole[name][rank :: len(shares)] = share[name]
    return whole
