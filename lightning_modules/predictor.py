"""A classifier as it predicts: with mirrored views and the passes of Monte Carlo dropout, where they are configured."""

import torch
from pytorch_lightning import LightningModule

from common.config.schema import InferenceConfig
from lightning_modules.classifier import Classifier
from lightning_modules.mc_dropout import McDropout


class Predictor(LightningModule):
    """Computes probabilities by ``config.inference``; the classifier itself does not change.

    Args:
        classifier: The trained model.
        inference: ``mirror`` averages over each image and its mirror image; ``mc_passes`` adds passes with dropout.
        seed: Seed of the dropout masks.
    """

    def __init__(self, classifier: Classifier, inference: InferenceConfig, seed: int = 0) -> None:
        super().__init__()
        self.classifier = classifier
        self.mirror = inference.mirror
        self.mc_dropout = McDropout(classifier, inference.mc_passes, seed) if inference.mc_passes else None

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the probabilities of images (B, C, H, W), float in [0, 1].

        Returns:
            {"probability": float32 (B, classes)} and, with Monte Carlo dropout, {"passes": float32 (B, passes,
            classes)}.
        """
        probabilities = self._probabilities(image)
        if self.mirror:
            mirrored = self._probabilities(image.flip(-1))
            probabilities = {key: (values + mirrored[key]) / 2 for key, values in probabilities.items()}
        return probabilities

    def predict_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> dict[str, torch.Tensor]:
        """Return what ``forward`` computes, with the batch's {"index": int64 (B,)}."""
        return {"index": batch["index"], **self(batch["image"])}

    def _probabilities(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        classifier = self.classifier
        if self.mc_dropout is None:
            return {"probability": classifier.probabilities(classifier(image).float())}
        logits, passes = self.mc_dropout.plain_and_passes(image)
        sampled = classifier.probabilities(passes.float().flatten(0, 1)).view(*passes.shape[:2], -1)
        return {"probability": classifier.probabilities(logits.float()), "passes": sampled.transpose(0, 1)}
