"""ANet-c6 of paper 002 (section 2): AlexNet with a sixth convolution and pool, as a timm model.

Shapes of one image at paper 002's 227x227 pixels, for the two readings of its pools (below):

    =====================  ====================================  ===========  ===========  ==========
    module                 layer                                 four         five         parameters
    =====================  ====================================  ===========  ===========  ==========
    conv1                  11x11 / 4, no padding (act1: ReLU)    96, 55, 55   96, 55, 55       34,944
    norm1                  local response normalisation          96, 55, 55   96, 55, 55
    pool1                  max 3x3 / 2                           96, 27, 27   96, 28, 28
    conv2                  5x5, padding 2 (act2: ReLU)           256, 27, 27  256, 28, 28     614,656
    norm2                  local response normalisation          256, 27, 27  256, 28, 28
    pool2                  max 3x3 / 2                           256, 13, 13  256, 14, 14
    conv3                  3x3, padding 1 (act3: ReLU)           384, 13, 13  384, 14, 14     885,120
    pool3                  max 3x3 / 2                                        384, 7, 7
    conv4                  3x3, padding 1 (act4: ReLU)           384, 13, 13  384, 7, 7     1,327,488
    conv5                  3x3, padding 1 (act5: ReLU)           256, 13, 13  256, 7, 7       884,992
    pool5                  max 3x3 / 2                           256, 6, 6    256, 4, 4
    conv6                  3x3, padding 1 (act6: ReLU)           256, 6, 6    256, 4, 4       590,080
    pool6                  max 3x3 / 2                           256, 2, 2    256, 2, 2
    pre_logits: dense1     4096 (ReLU, dropout 0.5)              4096         4096          4,198,400
    pre_logits: dense2     4096 (ReLU, dropout 0.5)              4096         4096         16,781,312
    fc                     the classes, here 24                  24           24               98,328
    in all                                                                                 25,415,320
    =====================  ====================================  ===========  ===========  ==========

The paper counts five pools, and lets conv6 and a pool follow "pooling layer five". Pools without padding, as in
AlexNet, leave nothing for a fifth. Hence two readings, as ``pools``:

- ``four``: pool5 is the pool after conv5, the name that Caffe's AlexNet gives it. No padding; from 131 pixels.
- ``five``: the paper's count; the fifth pool stands after conv3 (ours). Pools padded as TensorFlow's SAME pads them;
  from 11 pixels.

``auto`` is four where the images allow it, and five where they are smaller than 131 pixels.

The features end with pool6. A head list says what the network's own ``forward_head`` does:
``[flatten, {dense: 4096}, {dropout: 0.5}, {dense: 4096}, {dropout: 0.5}]``.

From the paper: six convolutions, the normalisation after the first two, the place of conv6, three dense layers, the
image size (3.1). It names no further numbers: those of the first five convolutions, of the dense layers and of the
pixels are AlexNet's. Ours: conv6, made as conv5; one tower, since the paper trains on one GPU (3.2); Xavier's first
weights, the default of TensorFlow, in which it was written.
"""

from typing import Any, Literal

from timm.layers.helpers import to_2tuple
from timm.layers.pool2d_same import create_pool2d
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model

from karyocyte.common.errors import UserError
from lightning_modules.networks import default_cfg
from lightning_modules.networks.alexnet import PIXELS, alexnet_stages
from lightning_modules.networks.layered_cnn import DenseTopCnn, Layers, conv_act

# timm reads this name from the module when the function below is registered, so it comes before it.
default_cfgs = generate_default_cfgs({"anet_c6": default_cfg(227, **PIXELS, num_classes=24)})

# Reading -> numbers of the convolutions that a pool follows, and its padding (see the top of this file).
POOLS: dict[str, tuple[tuple[int, ...], str | int]] = {
    "four": ((1, 2, 5, 6), 0),
    "five": ((1, 2, 3, 5, 6), "same"),
}
LEAST_OF_FOUR = 131  # pixels: of smaller images four pools without padding leave nothing


class ANetC6(DenseTopCnn):
    """ANet-c6 (paper 002, section 2) in a reading of its pools; see the top of this file.

    Further arguments are those of ``DenseTopCnn``.

    Raises:
        UserError: No such reading, or images too small for it.
    """

    def __init__(
        self,
        in_chans: int = 3,
        img_size: int | tuple[int, int] = 227,
        pools: Literal["auto", "four", "five"] = "four",
        **top: Any,
    ) -> None:
        if pools == "auto":
            pools = "four" if min(to_2tuple(img_size)) >= LEAST_OF_FOUR else "five"
        if pools not in POOLS:
            raise UserError(f"model.args.pools={pools}: say one of auto, {', '.join(POOLS)}")
        pooled, padding = POOLS[pools]
        layers: Layers = []
        convolutions = [*alexnet_stages(in_chans), conv_act(6, 256, 256, 3, padding=1)]
        for number, convolution in enumerate(convolutions, start=1):
            layers += convolution
            if number in pooled:
                pool = create_pool2d("max", 3, 2, padding=padding)  # type: ignore[no-untyped-call]
                layers.append((f"pool{number}", pool))
        stages = ("pool1", "pool2", "pool5", "pool6")  # those that both readings have
        super().__init__(layers, stages, in_chans, img_size, **top)


@register_model
def anet_c6(pretrained: bool = False, **kwargs: Any) -> ANetC6:
    """Build ANet-c6 (paper 002, section 2); no trained weights are published."""
    return build_model_with_cfg(ANetC6, "anet_c6", pretrained, **kwargs)
