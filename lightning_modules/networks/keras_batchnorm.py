"""BatchNorm with the constants of Keras, in which papers 001 and 004 were written."""

from torch import nn

MOMENTUM = 0.01  # Keras' default of 0.99 is the share of the old statistics, torch's momentum that of the new ones
EPS = 1e-3  # Keras' default


def set_keras_batchnorm(network: nn.Module, eps: float = EPS) -> None:
    """Give every BatchNorm of a network the momentum and epsilon that it has in Keras."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = MOMENTUM
            module.eps = eps
