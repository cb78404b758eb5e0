"""From a trained classifier to probabilities: mirrored views, passes of Monte Carlo dropout."""

from typing import TYPE_CHECKING

import torch
from torch import nn

from karyocyte.config.schema import InferenceConfig
from karyocyte.runs.predictions import OUT_OF_DISTRIBUTION, UPSIDE_DOWN
from lightning_modules.modules.image_network import ClassifierNetwork
from lightning_modules.prediction.out_of_distribution import Distances, OutOfDistribution, looks_of

if TYPE_CHECKING:
    from lightning_modules.prediction.mc_dropout import McDropout

FEATURES = "features"
LOOKS = "looks"


class Predictor(nn.Module):
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
        classifier: ClassifierNetwork,
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
        self.mc_dropout: McDropout | None = None
        if inference.mc_passes:
            from lightning_modules.prediction import mc_dropout  # here: few networks take passes

            self.mc_dropout = mc_dropout.McDropout(classifier, inference.mc_passes, seed)

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return {"probability": float32 (B, classes)} of images (B, C, H, W), float in [0, 1].

        With Monte Carlo dropout also {"passes": float32 (B, passes, classes)}; with ``head.orientation``,
        {"upside_down": float32 (B,)}, the probability that it is upside down; with a distance,
        {"out_of_distribution": float32}, what it returns; where they are kept, {"features": float32 (B, D)}, what the
        last layer takes, on average over the views, and {"looks": float32 (B, 8)}.
        """
        # A pass has the same masks in all views of an image.
        numbers = self.mc_dropout.image_numbers(image) if self.mc_dropout else []
        by_orientation = self._of_mirrored(image, numbers)
        if self.classifier.orientation:
            by_orientation = _mean(by_orientation, self._of_turned(image, numbers))
        predicted = {key: values.sum(-2) for key, values in by_orientation.items()}
        if self.classifier.orientation:
            predicted[UPSIDE_DOWN] = by_orientation["probability"][:, 1].sum(-1)
        if self.distance is not None:
            predicted[OUT_OF_DISTRIBUTION] = self.distance(image, predicted[FEATURES])
        if self.keep_features:
            return {**predicted, LOOKS: looks_of(image)}
        predicted.pop(FEATURES, None)
        return predicted

    def _of_turned(self, image: torch.Tensor, numbers: list[int]) -> dict[str, torch.Tensor]:
        """Return what the turned images give: upright there is upside down in the images, and the other way round."""
        from lightning_modules.backbones.orientation import turn  # here: few heads have one

        turned = self._of_mirrored(turn(image), numbers)
        return {key: values.flip(-2) for key, values in turned.items()}

    def _of_mirrored(self, image: torch.Tensor, numbers: list[int]) -> dict[str, torch.Tensor]:
        """Return the mean over the images and their mirror images, or with ``mirror`` off what the images give."""
        predicted = self._of_view(image, numbers)
        if self.mirror:
            predicted = _mean(predicted, self._of_view(image.flip(-1), numbers))
        return predicted

    def _of_view(self, image: torch.Tensor, numbers: list[int]) -> dict[str, torch.Tensor]:
        """Return the probabilities by name, shape (B, ..., orientations, classes), of one view of the images.

        Of the features there is one orientation, (B, 1, D).
        """
        predicted = {}
        needs_features = self.keep_features or self.distance is not None
        if self.mc_dropout is None or needs_features:
            logits, embedding = self.classifier.logits_and_embedding(image)
        if self.mc_dropout is not None:
            logits, passes = self.mc_dropout.plain_and_passes(image, numbers)
            predicted["passes"] = self._passes_by_orientation(passes.float())
        predicted["probability"] = self._by_orientation(logits.float())
        if needs_features:
            predicted[FEATURES] = embedding.float().flatten(1).unsqueeze(1)
        return predicted

    def _passes_by_orientation(self, passes: torch.Tensor) -> torch.Tensor:
        """Return probabilities, shape (B, passes, orientations, classes), of the logits (passes, B, ...) of passes."""
        probabilities = self._by_orientation(passes.flatten(0, 1))
        return torch.unflatten(probabilities, 0, passes.shape[:2]).transpose(0, 1)

    def _by_orientation(self, logits: torch.Tensor) -> torch.Tensor:
        """Return probabilities, shape (B, orientations, classes), of what the head gives: 1 or 2 orientations."""
        if self.classifier.orientation:
            return torch.unflatten(torch.softmax(logits, dim=1), 1, (2, -1))
        return self.classifier.probabilities(logits).unsqueeze(1)


def _mean(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {key: (values + second[key]) / 2 for key, values in first.items()}
