"""The CNN that paper 003 (section 4.1) made for HEM against ALL cells, as a timm model.

Five 5x5 convolutions with zero padding, each followed by ReLU and a 2x2 max-pool, then two dense layers of 1024.
Output shapes of one image at paper 003's three sizes:

    =====================  =========================  =============  ============  ===========  ==========
    module                 layer                      256 px         64 px         32 px        parameters
    =====================  =========================  =============  ============  ===========  ==========
    conv1                  5x5, 64 (act1: ReLU)       64, 256, 256   64, 64, 64    64, 32, 32        4,864
    pool1                  max 2x2                    64, 128, 128   64, 32, 32    64, 16, 16
    conv2                  5x5, 128 (act2: ReLU)      128, 128, 128  128, 32, 32   128, 16, 16     204,928
    pool2                  max 2x2                    128, 64, 64    128, 16, 16   128, 8, 8
    conv3                  5x5, 256 (act3: ReLU)      256, 64, 64    256, 16, 16   256, 8, 8       819,456
    pool3                  max 2x2                    256, 32, 32    256, 8, 8     256, 4, 4
    conv4                  5x5, 512 (act4: ReLU)      512, 32, 32    512, 8, 8     512, 4, 4     3,277,312
    pool4                  max 2x2                    512, 16, 16    512, 4, 4     512, 2, 2
    conv5                  5x5, 512 (act5: ReLU)      512, 16, 16    512, 4, 4     512, 2, 2     6,554,112
    pool5                  max 2x2                    512, 8, 8      512, 2, 2     512, 1, 1
    pre_logits: dense1     1024 (ReLU, dropout 0.5)   1024           1024          1024         33,555,456
    pre_logits: dense2     1024 (ReLU, dropout 0.5)   1024           1024          1024          1,049,600
    fc                     the classes, here 2        2              2             2                 2,050
    in all (256 px)                                                                             45,467,778
    =====================  =========================  =============  ============  ===========  ==========

At 64 and 32 pixels dense1 has 2,098,176 and 525,312 parameters, the rest is the same.

The paper contradicts itself: 32 filters are applied to the image, and their pooled output is said to be 128x128x64.
Here the filters follow the shapes (64, 128, ..., 512).

The features end with pool5. A head list says what the network's own ``forward_head`` does:
``[flatten, {dense: 1024}, {dropout: 0.5}, {dense: 1024}, {dropout: 0.5}]``.

From the paper: number, kind and order of the layers, the shapes after pool1, pool2 and pool5, the dense widths (4.1),
ReLU (4.2.4), Xavier's first weights (4.2.5), dropout (4.2.6). Ours: 5x5 in all layers (it is said of the first), the
filters of conv3 and conv4, the place and rate of dropout, biases of zero, Xavier's uniform kind, pixels in [0, 1].
"""

from collections.abc import Sequence
from typing import Any

from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from torch import nn

from lightning_modules.networks import default_cfg
from lightning_modules.networks.layered_cnn import DenseTopCnn, Layers, conv_act

FILTERS = (64, 128, 256, 512, 512)  # paper 003, 4.1

# timm reads this name from the module when the function below is registered, so it comes before it.
default_cfgs = generate_default_cfgs({"hem_all_cnn": default_cfg(256, num_classes=2, fixed_input_size=True)})


class HemAllCnn(DenseTopCnn):
    """Five 5x5 convolutions and two dense layers (paper 003, section 4.1); see the top of this file.

    Further arguments are those of ``DenseTopCnn``; a ``UserError`` says that images are below 32 pixels.
    """

    def __init__(
        self,
        in_chans: int = 3,
        img_size: int | tuple[int, int] = 256,
        units: Sequence[int] = (1024, 1024),
        **top: Any,
    ) -> None:
        layers: Layers = []
        before = in_chans
        for number, filters in enumerate(FILTERS, start=1):
            layers += conv_act(number, before, filters, 5, padding="same")
            layers.append((f"pool{number}", nn.MaxPool2d(2)))
            before = filters
        stages = [f"pool{number}" for number in range(1, 6)]
        super().__init__(layers, stages, in_chans, img_size, units=units, **top)


@register_model
def hem_all_cnn(pretrained: bool = False, **kwargs: Any) -> HemAllCnn:
    """Build the network of paper 003 (section 4.1); no trained weights are published."""
    return build_model_with_cfg(HemAllCnn, "hem_all_cnn", pretrained, **kwargs)
