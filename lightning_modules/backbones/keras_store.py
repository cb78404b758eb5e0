"""The weights of ImageNet that Keras publishes, with which papers 001 and 004 began, and their download.

``weights=keras`` stands for them. A downloaded file is checked, converted once and kept in the cache as .safetensors.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from common.errors import UserError
from common.keras import STEMS
from lightning_modules.backbones.local_weights import NotAtHandError, WeightsFolders, find_local

STORE = "https://storage.googleapis.com/tensorflow/keras-applications"
MIRROR = "KARYOCYTE_KERAS_STORE"  # names another address with the same files


@dataclass(frozen=True)
class KerasFile:
    """A file of the store; ``None`` where a fact was not known when this was written.

    Attributes:
        path: Below the address of the store.
        size: In bytes.
        md5: As Keras' source code has it, 32 hex digits.
        sha256: 64 hex digits.
    """

    path: str
    size: int | None = None
    md5: str | None = None
    sha256: str | None = None

    @property
    def name(self) -> str:
        """Without the folder."""
        return Path(self.path).name

    @property
    def url(self) -> str:
        """In the store, or in the mirror that the environment names."""
        return f"{(os.environ.get(MIRROR) or STORE).rstrip('/')}/{self.path}"


# By the network that takes them.
FILES = {
    "resnet50_v1": KerasFile(
        "resnet/resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
        size=94_765_736,
        md5="4d473c1dd8becc155b73f8504c6f6626",
        sha256="66c8b43daff3fcc15bc4f30e3d2a167e21a14d9c9598a5394e5516471f4af504",
    ),
    "vgg16": KerasFile(
        "vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
        md5="6d6bbae143d832006294945121d1f1fc",
    ),
    "mobilenetv2_100": KerasFile(
        "mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
        size=9_406_464,
        sha256="f8aff69536bd77a692c594f559c798c19bf7f3f36668fc9fa00b21c6aab4797c",
    ),
    "inception_v3_keras": KerasFile(
        "inception_v3/inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5",
        md5="bcbd6486424b2319ff4ef7d526e38f63",
    ),
}


def of_keras(network: str, weights: str) -> KerasFile | None:
    """Return the file of the store that ``weights`` means; None where it means other weights.

    Raises:
        UserError: Keras' weights fit other networks only.
    """
    if weights == STEMS.get(network):
        return FILES[network]
    if weights == "keras":
        choices = ", ".join(STEMS)
        raise UserError(f"weights=keras: there are none for model.name={network}, only for {choices}")
    return None


def keras_weights(weights: str, file: KerasFile, folders: WeightsFolders) -> Path:
    """Return Keras' weights as .safetensors with a side file: from the cache, or downloaded and converted.

    Raises:
        UserError: They are not to be had, or not to be converted.
        NotAtHandError: They would have to be downloaded, and ``folders`` forbid it.
    """
    cached = find_local(weights, folders.cache, None)
    if cached is not None:
        return cached
    if not folders.download:
        raise NotAtHandError(f"weights={weights} would be downloaded from {file.url}")
    raise UserError(f"weights={weights}: bring {weights}.safetensors and its side file to weights_dir")
