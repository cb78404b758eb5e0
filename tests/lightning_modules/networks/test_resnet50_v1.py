"""ResNet-50 as published: its strides, its pool, and that it differs from timm's in nothing else."""

import timm
import torch

from lightning_modules.networks import resnet50_v1  # noqa: F401 (it registers itself)
from lightning_modules.networks.keras_batchnorm import set_keras_batchnorm


def test_weights_of_timms_variant_fit_but_compute_something_else():
    published = timm.create_model("resnet50_v1", zero_init_last=False).eval()
    variant = timm.create_model("resnet50").eval()
    variant.load_state_dict(published.state_dict())
    image = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        output, other = published.forward_features(image), variant.forward_features(image)
        assert output.shape == other.shape == (1, 2048, 2, 2)
        assert not torch.allclose(output, other)
        set_keras_batchnorm(variant, eps=1.001e-5)
        for layer in (variant.layer2, variant.layer3, variant.layer4):
            layer[0].conv1.stride, layer[0].conv2.stride = (2, 2), (1, 1)
        assert torch.equal(output, variant.forward_features(image))


def test_the_pool_is_as_in_keras():
    columns = torch.arange(8.0).expand(1, 1, 8, 8)
    assert timm.create_model("resnet50_v1").maxpool(columns)[0, 0, 0].tolist() == [1, 3, 5, 7]
