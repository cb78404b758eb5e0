"""A network in plain torch: predictions compute with it without Lightning, whose import takes a second."""

import torch
from torch import nn

from karyocyte.common.runs.run import ModelFacts


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
