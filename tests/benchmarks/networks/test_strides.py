"""Variances before BatchNorm, and the photographs of a zip."""

import zipfile

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.networks.strides import SIZE, read_images, variance_ratios
from common.errors import UserError


def test_the_ratio_is_of_all_images_and_places():
    network = nn.Sequential(nn.BatchNorm2d(3)).eval()
    network[0].running_var.copy_(torch.tensor([1.0, 2.0, 4.0]))
    images = torch.randn(6, 3, 5, 5, generator=torch.Generator().manual_seed(0)) + 1
    (ratios,) = variance_ratios(network, images.split(4)).values()
    expected = images.transpose(0, 1).flatten(1).var(dim=1, correction=0) / torch.tensor([1.0, 2.0, 4.0])
    assert torch.allclose(ratios.float(), expected)


def test_photographs_are_evenly_spaced_rgb_and_enlarged(tmp_path):
    archive = tmp_path / "images.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for number in range(6):
            image = np.full((8, 8, 3), (0, 0, 40 * number), np.uint8)  # red, in OpenCV's order
            file.writestr(f"{number}.png", cv2.imencode(".png", image)[1].tobytes())
        file.writestr("about.txt", "")
    images = read_images(archive, 3)
    assert images.shape == (3, 3, SIZE, SIZE)
    assert (images[:, 0, 0, 0] * 255).tolist() == pytest.approx([0, 80, 160])
    assert images[:, 1:].max() == 0
    with pytest.raises(UserError, match="has 6 images: say --images 6 or fewer"):
        read_images(archive, 7)
