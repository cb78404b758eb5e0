"""The CNN that paper 004 (section 3.2) designed from scratch, as a timm model.

Four 3x3 convolutions with zero padding, the channels doubling from 32 to 256, each followed by ReLU and a max-pool
that grows: 2, 2, 3, 5. The paper's input is 300x300 pixels, rescaled to [0, 1]; shapes for one such image:

    ======  ======================  ============  ==========
    module  layer                   output shape  parameters
    ======  ======================  ============  ==========
    conv1   3x3, 32 (act1: ReLU)    32, 300, 300         896
    pool1   max 2x2                 32, 150, 150
    conv2   3x3, 64 (act2: ReLU)    64, 150, 150      18,496
    pool2   max 2x2                 64, 75, 75
    conv3   3x3, 128 (act3: ReLU)   128, 75, 75       73,856
    pool3   max 3x3                 128, 25, 25
    conv4   3x3, 256 (act4: ReLU)   256, 25, 25      295,168
    pool4   max 5x5                 256, 5, 5
    ======  ======================  ============  ==========

The paper's four classifiers on top are lists under ``head.layers``, not variants of the network.
"""

from typing import Any

import torch
from timm.layers.adaptive_avgmax_pool import SelectAdaptivePool2d
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from torch import nn

CHANNELS = (32, 64, 128, 256)  # paper 004, 3.2: the filters double with each layer
POOLS = (2, 2, 3, 5)  # paper 004, 3.2: the max-pools grow with depth

# timm reads this name from the module when the function below is registered, so it stands before it.
default_cfgs = generate_default_cfgs(
    {
        "scratch_cnn": {
            "input_size": (3, 300, 300),
            "min_input_size": (3, 60, 60),
            "pool_size": (5, 5),
            "interpolation": "bilinear",
            "crop_pct": 1.0,
            "mean": (0.0, 0.0, 0.0),
            "std": (1.0, 1.0, 1.0),
            "first_conv": "conv1",
            "classifier": "fc",
            "license": "apache-2.0",
        }
    }
)


class ScratchCnn(nn.Module):
    """Four convolutions and growing max-pools (paper 004, section 3.2); keeps timm's model contract.

    Args:
        num_classes: Outputs of the classifier ``fc``; 0 leaves the pooled features.
        in_chans: Channels of the image.
        global_pool: timm's pooling before ``fc``: "avg", "max", ..., or "" for none.
        drop_rate: Dropout before ``fc``, 0 to 1.
    """

    def __init__(
        self, num_classes: int = 1000, in_chans: int = 3, global_pool: str = "avg", drop_rate: float = 0.0
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.num_features = self.head_hidden_size = CHANNELS[-1]
        self.feature_info: list[dict[str, Any]] = []
        before = in_chans
        reduction = 1
        for number, (channels, pool) in enumerate(zip(CHANNELS, POOLS, strict=True), start=1):
            self.add_module(f"conv{number}", nn.Conv2d(before, channels, kernel_size=3, padding="same"))
            self.add_module(f"act{number}", nn.ReLU())
            self.add_module(f"pool{number}", nn.MaxPool2d(pool))
            before = channels
            reduction = reduction * pool
            self.feature_info.append({"num_chs": channels, "reduction": reduction, "module": f"pool{number}"})
        self.global_pool = SelectAdaptivePool2d(pool_type=global_pool, flatten=bool(global_pool))
        self.head_drop = nn.Dropout(drop_rate)
        if num_classes:
            self.fc = nn.Linear(self.num_features, num_classes)
        else:
            self.fc = nn.Identity()
        self.apply(_initialise)

    def forward_features(self, image: torch.Tensor) -> torch.Tensor:
        """Map images (B, C, H, W), H and W at least 60, to features (B, 256, H // 60, W // 60)."""
        x = image
        for number in range(1, len(CHANNELS) + 1):
            for layer in ("conv", "act", "pool"):
                x = self.get_submodule(f"{layer}{number}")(x)
        return x

    def forward_head(self, x: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
        """Pool the features (B, 256, h, w) and classify: (B, num_classes), or (B, 256) with ``pre_logits``."""
        x = self.head_drop(self.global_pool(x))
        if pre_logits:
            return x
        return self.fc(x)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map images (B, C, H, W) to logits (B, num_classes)."""
        return self.forward_head(self.forward_features(image))

    def get_classifier(self) -> nn.Module:
        """Return the last layer."""
        return self.fc

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Put a fresh last layer with ``num_classes`` outputs (0: none) and, where given, another pooling."""
        self.num_classes = num_classes
        if global_pool is not None:
            self.global_pool = SelectAdaptivePool2d(pool_type=global_pool, flatten=bool(global_pool))
        if num_classes:
            self.fc = nn.Linear(self.num_features, num_classes)
        else:
            self.fc = nn.Identity()
        _initialise(self.fc)


def _initialise(module: nn.Module) -> None:
    # ours: the paper names no initialisation and was written in Keras, whose default this is.
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)


@register_model
def scratch_cnn(pretrained: bool = False, **kwargs: Any) -> ScratchCnn:
    """Build the scratch CNN of paper 004 (section 3.2); no trained weights are published."""
    return build_model_with_cfg(ScratchCnn, "scratch_cnn", pretrained, **kwargs)
