"""A network of one's own: a registered function is enough, and what it lacks is said in a line."""

import pytest
import timm
from timm.models import register_model
from torch import nn

from karyocyte.common.errors import UserError
from lightning_modules.backbones.backbone import build_backbone


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, stride=4), nn.BatchNorm2d(8), nn.ReLU())
        self.block = nn.Conv2d(8, 16, 3)

    def forward_features(self, x):
        return self.block(self.stem(x))


class Whole(nn.Module):
    def forward(self, x):
        return x


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    def own_plain(pretrained=False, **kwargs):
        return Plain()

    def own_whole(pretrained=False, **kwargs):
        return Whole()

    for function in (own_plain, own_whole):
        register_model(function)
    yield
    for function in (own_plain, own_whole):
        for table in (timm.models._registry._model_entrypoints, timm.models._registry._model_to_module):
            table.pop(function.__name__, None)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("own_plian", "close to it: own_plain.*@register_model"),
        ("own_whole", "its class Whole lacks a method forward_features"),
    ],
)
def test_what_it_lacks_is_one_clear_line(name, message):
    with pytest.raises(UserError, match=message):
        build_backbone(name, {}, None, 32)
