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

from lightning_modules.networks import default_cfg
from lightning_modules.networks.layered_cnn import LayeredCnn, Layers, conv_act

CHANNELS = (32, 64, 128, 256)  # paper 004, 3.2: the filters double with each layer
POOLS = (2, 2, 3, 5)  # paper 004, 3.2: the max-pools grow with depth

# timm reads this name from the module when the function below is registered, so it comes before it.
default_cfgs = generate_default_cfgs({"scratch_cnn": default_cfg(300)})


class ScratchCnn(LayeredCnn):
    """Four convolutions and growing max-pools (paper 004, section 3.2), for images of any size from 60 pixels.

    Its first weights are the default of Keras, in which the paper was written: it names none.

    Args:
        num_classes: Outputs of the classifier ``fc``; 0 leaves the pooled features.
        in_chans: Channels of the image.
        drop_rate: Dropout before ``fc``, 0 to 1.
    """

    def __init__(self, num_classes: int = 1000, in_chans: int = 3, drop_rate: float = 0.0) -> None:
        layers: Layers = []
        before = in_chans
        for number, (channels, pool) in enumerate(zip(CHANNELS, POOLS, strict=True), start=1):
            layers += conv_act(number, before, channels, 3, padding="same")
            layers.append((f"pool{number}", nn.MaxPool2d(pool)))
            before = channels
        super().__init__(layers, [f"pool{number}" for number in range(1, 5)], in_chans, img_size=60)
        self.head_drop = nn.Dropout(drop_rate)
        self.global_pool = SelectAdaptivePool2d(pool_type="avg", flatten=True)
        self.finish(num_classes)

    def forward_head(self, x: torch.Tensor) -> torch.Tensor:
        """Pool the features (B, 256, h, w) and classify: (B, num_classes)."""
        logits: torch.Tensor = self.fc(self.head_drop(self.global_pool(x)))
        return logits


@register_model
def scratch_cnn(pretrained: bool = False, **kwargs: Any) -> ScratchCnn:
    """Build the scratch CNN of paper 004 (section 3.2); no trained weights are published."""
    return build_model_with_cfg(ScratchCnn, "scratch_cnn", pretrained, **kwargs)
