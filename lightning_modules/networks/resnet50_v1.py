"""ResNet-50 as published (He et al. 2015) and as in Keras, as a timm model; paper 004 (3.3.2) trains it.

timm's ``resnet50`` is a later variant: in the first block of layer2, layer3 and layer4 it halves the image in the 3x3
convolution, the published network in the 1x1 convolution before it. Parameters and their names are the same, so that
weights of one load into the other without an error, but compute something else there.

The pool of the stem pads the map on all sides by one, as in Keras; Caffe, in which the network was published, lets the
last window reach over the edge. BatchNorm is that of Keras.
"""

from typing import Any

from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from timm.models.resnet import Bottleneck, ResNet

from lightning_modules.networks import default_cfg
from lightning_modules.networks.keras_batchnorm import set_keras_batchnorm

# timm reads this name from the module when the function below is registered, so it comes before it. Mean and standard
# deviation are timm's: files of the weights have those of Caffe (BGR, 0 to 255) converted to RGB in [0, 1].
default_cfgs = generate_default_cfgs(
    {"resnet50_v1": default_cfg(224, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))}
)


class BottleneckV1(Bottleneck):
    """timm's bottleneck with the stride in the first 1x1 convolution; the arguments are those of timm's."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conv1.stride = self.conv2.stride
        self.conv2.stride = (1, 1)


@register_model
def resnet50_v1(pretrained: bool = False, **kwargs: Any) -> ResNet:
    """Build ResNet-50 with the stride of 2 in the first 1x1 convolution of a block; weights come as files."""
    layers: dict[str, Any] = {"block": BottleneckV1, "layers": (3, 4, 6, 3)}
    network: ResNet = build_model_with_cfg(ResNet, "resnet50_v1", pretrained, **layers, **kwargs)
    set_keras_batchnorm(network, eps=1.001e-5)
    return network
