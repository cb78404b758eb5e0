"""The weights of ImageNet that Keras publishes, with which papers 001 and 004 began: ``weights=keras``."""

import os
from dataclasses import dataclass, field
from typing import Any

from karyocyte.common.errors import UserError

STORE = "https://storage.googleapis.com/tensorflow/keras-applications"
MIRROR = "KARYOCYTE_KERAS_STORE"  # names another address with the same files


@dataclass(frozen=True)
class KerasWeights:
    """A file of Keras' store, and how its network differs from timm's."""

    name: str  # of the converted file in weights_dir or in the cache, without ``.safetensors``
    path: str  # of the file, below the address of the store
    size: int  # of the file, in bytes
    digest: str  # of the file: ``<algorithm>:<hexadecimal digits>``
    licence: str
    # whether its images were BGR values from 0 to 255 less their mean; otherwise RGB values from -1 to 1
    caffe: bool = False
    args: dict[str, Any] = field(default_factory=dict)  # timm's arguments for the network
    # whether the numbers in the names of layers give the order of timm's; otherwise that of the file does
    numbered: bool = True

    @property
    def address(self) -> str:
        """Where the file is downloaded from."""
        return f"{(os.environ.get(MIRROR) or STORE).rstrip('/')}/{self.path}"

    @property
    def scale(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The mean and the standard deviation of the channels of RGB images in [0, 1], by which Keras scales them."""
        if self.caffe:
            return (123.68 / 255, 116.779 / 255, 103.939 / 255), (1 / 255, 1 / 255, 1 / 255)
        return (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)


# By the network that takes them.
KERAS = {
    "resnet50_v1": KerasWeights(
        "resnet50_v1.msra_in1k",
        "resnet/resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
        94_765_736,
        "sha256:66c8b43daff3fcc15bc4f30e3d2a167e21a14d9c9598a5394e5516471f4af504",
        "MIT",
        caffe=True,
    ),
    "vgg16": KerasWeights(
        "vgg16.tf_keras_in1k",
        "vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
        58_889_256,
        "md5:6d6bbae143d832006294945121d1f1fc",
        "CC-BY-4.0",
        caffe=True,
    ),
    "mobilenetv2_100": KerasWeights(
        "mobilenetv2_100.tf_keras_in1k",
        "mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
        9_406_464,
        "sha256:f8aff69536bd77a692c594f559c798c19bf7f3f36668fc9fa00b21c6aab4797c",
        "Apache-2.0",
        args={"pad_type": "same", "bn_eps": 0.001},
        numbered=False,
    ),
    "inception_v3_keras": KerasWeights(
        "inception_v3_keras.tf_keras_in1k",
        "inception_v3/inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5",
        87_910_968,
        "md5:bcbd6486424b2319ff4ef7d526e38f63",
        "Apache-2.0",
    ),
}


def weights_name(weights: str, network: str) -> str:
    """Return ``weights`` with ``keras`` written in full; a ``UserError``: Keras publishes none of this network."""
    if weights != "keras":
        return weights
    if network not in KERAS:
        raise UserError(f"weights=keras: there are none for model.name={network}, only for {', '.join(KERAS)}")
    return KERAS[network].name
