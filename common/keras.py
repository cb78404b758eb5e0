"""The names of the weights that Keras publishes."""

# What ``weights=keras`` is short for, by the network: a file <name>.safetensors in weights_dir or in the cache.
STEMS = {
    "resnet50_v1": "resnet50_v1.msra_in1k",
    "vgg16": "vgg16.tf_keras_in1k",
    "mobilenetv2_100": "mobilenetv2_100.tf_keras_in1k",
    "inception_v3_keras": "inception_v3_keras.tf_keras_in1k",
}


def weights_name(weights: str, network: str) -> str:
    """Return ``weights`` with ``keras`` written in full."""
    return STEMS.get(network, weights) if weights == "keras" else weights
