"""Networks in plain torch: predictions compute with them without Lightning, whose import takes a second."""

import torch
from torch import nn

from karyocyte.runs.facts import ModelFacts
from lightning_modules.backbones.heads import count_fixed_layers, head_layers
from lightning_modules.backbones.truncation import features_of


class ImageNetwork(nn.Module):
    """A backbone, a head, and the scale of the images that they take. The arguments: see `Classifier`."""

    def __init__(self, backbone: nn.Module, head: nn.Module, facts: ModelFacts) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.network_args = dict(facts.args)
        self.network_args.pop("num_classes", None)  # 0 is implied by a backbone
        self.mean: torch.Tensor
        self.std: torch.Tensor
        self.register_buffer("mean", torch.tensor(facts.mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(facts.std).view(1, -1, 1, 1), persistent=False)

    def facts(self) -> ModelFacts:
        """Return what the weights depend on and do not hold: the scaling of the images and timm's arguments."""
        return ModelFacts(self.mean.flatten().tolist(), self.std.flatten().tolist(), self.network_args)

    def normalised(self, image: torch.Tensor) -> torch.Tensor:
        """Return images (B, C, H, W), float in [0, 1], in the scale that the backbone takes."""
        # The batch is scaled to float32 after Lightning has converted it to the precision of the weights.
        return (image.to(self.mean.dtype) - self.mean) / self.std


class ClassifierNetwork(ImageNetwork):
    """A backbone and a head that map images to logits, and logits to probabilities. The arguments: see `Classifier`."""

    def __init__(
        self, backbone: nn.Module, head: nn.Module, num_classes: int, facts: ModelFacts, orientation: bool = False
    ) -> None:
        super().__init__(backbone, head, facts)
        self.num_classes = num_classes
        self.orientation = orientation
        self.takes_features = False

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return logits, float, shape (B, K), of images (B, C, H, W), float in [0, 1]; of either orientation."""
        return self.class_logits(self.head_logits(image))

    def class_logits(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the logits of the classes, (B, K), of what the head gives: marginalised over the orientation."""
        if not self.orientation:
            return logits
        from lightning_modules.backbones.orientation import marginal_logits  # here: few heads have one

        return marginal_logits(logits)

    def head_logits(self, image: torch.Tensor) -> torch.Tensor:
        """Return what the head gives for images: (B, 2K) with orientation, else (B, K)."""
        return self.logits_and_embedding(image)[0]

    def logits_and_embedding(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what the head gives, and what its last layer takes, float, shape (B, D)."""
        *layers, last = head_layers(self.head)
        embedding = image if self.takes_features else self.fixed_features(image)
        for layer in layers[count_fixed_layers(layers) :]:
            embedding = layer(embedding)
        return last(embedding), embedding

    def features(self, image: torch.Tensor) -> torch.Tensor:
        """Return the backbone's features, shape (B, ...), of images (B, C, H, W), float in [0, 1]."""
        features: torch.Tensor = features_of(self.backbone, self.normalised(image))
        return features

    def fixed_features(self, image: torch.Tensor) -> torch.Tensor:
        """Return the features behind the first layers of the head, those that have no weights and draw nothing."""
        features = self.features(image)
        layers = head_layers(self.head)[:-1]
        for layer in layers[: count_fixed_layers(layers)]:
            features = layer(features)
        return features

    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the probability of every class, shape (B, classes), rows sum to 1, of logits (B, K)."""
        if logits.shape[1] == 1:
            positive = torch.sigmoid(logits)
            return torch.cat([1 - positive, positive], dim=1)
        return torch.softmax(logits, dim=1)
