"""Keras on torch: random networks in its first HDF5 layout, and what they make of images."""

import json
from pathlib import Path

import numpy as np

SIDE = 96
CONSTANTS = "constants.json"  # (momentum, epsilon) of each BatchNorm of a network, of one in a head; epsilon of Adam


def images() -> np.ndarray:
    """Return two images as Keras takes them: (2, SIDE, SIDE, 3), 0 to 255."""
    return np.random.default_rng(3).integers(0, 256, (2, SIDE, SIDE, 3)).astype(np.float32)


def write_networks(folder: Path) -> None:
    """Write weights, features and constants of each network; it imports Keras, on torch by the environment."""
    import h5py
    from keras import applications, layers, ops, optimizers, utils
    from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

    networks = {
        "resnet50_v1": (applications.ResNet50, applications.resnet),
        "vgg16": (applications.VGG16, applications.vgg16),
        "mobilenetv2_100": (applications.MobileNetV2, applications.mobilenet_v2),
        "inception_v3_keras": (applications.InceptionV3, applications.inception_v3),
    }
    draw = np.random.default_rng(5)
    constants = {}
    for name, (build, module) in networks.items():
        utils.set_random_seed(7)
        network = build(include_top=False, weights=None, input_shape=(SIDE, SIDE, 3))
        constants[name] = []
        for layer in network.layers:
            values = layer.get_weights()
            if "BatchNormalization" in type(layer).__name__:  # gain, if any, offset, mean, variance
                values = [draw.uniform(0.5, 1.5, value.shape) for value in values]
                constants[name].append((layer.momentum, layer.epsilon))
            elif len(values) == 2:
                values[1] = draw.normal(0, 0.1, values[1].shape)
            layer.set_weights(values)
        with h5py.File(folder / f"{name}.h5", "w") as file:
            save_weights_to_hdf5_group(file, network)
        features = ops.convert_to_numpy(network(module.preprocess_input(images()), training=False))
        np.save(folder / f"{name}.npy", features.transpose(0, 3, 1, 2))
    head = layers.BatchNormalization()
    constants["head"] = [(head.momentum, head.epsilon)]
    constants["adam"] = [optimizers.Adam().epsilon]
    (folder / CONSTANTS).write_text(json.dumps(constants))
