"""The network of the cutter."""

import torch

from lightning_modules.networks.unet import CHANNELS, UNet


def test_features_have_the_size_of_the_image_and_see_fine_and_coarse():
    torch.manual_seed(0)
    network = UNet().eval()
    image = torch.rand(1, 3, 32, 48)
    changed = image.clone()
    changed[..., 8, 8] = 1 - image[..., 8, 8]
    with torch.no_grad():
        features, others = network.forward_features(image), network.forward_features(changed)
    assert features.shape == (1, CHANNELS[0], 32, 48)
    difference = (features - others).abs().amax(dim=(0, 1))
    # The finest level sees the pixel where it is; the coarsest, an eighth of the size, spreads it further.
    assert difference[8, 8] > difference[8, 30] > 0
    assert network(image).shape == (1, CHANNELS[0])
