"""Arguments of networks: those without effect are refused."""

import pytest
from timm.models import register_model
from torch import nn

from karyocyte.common.errors import UserError
from lightning_modules.backbones.arguments import check_model_args


@register_model
def careless(pretrained=False, width=16, **kwargs):
    return nn.Conv2d(3, 8, 1)


def called(widht):
    return widht


@register_model
def reader(pretrained=False, width=16, **kwargs):
    """Return a layer; "widht" is no argument, but it is one of a function that is called."""
    for key in ("widths", "strides"):
        kwargs.get(key)

    def inner():
        return kwargs.get("withd", 1)

    called(widht=inner())
    return nn.Conv2d(3, 8, 1)


@pytest.mark.parametrize("name", ["careless", "reader"])
@pytest.mark.parametrize("args", [{"num_classes": 0}, {"global_pool": "max"}, {"drop_rate": 0.9}, {"widht": 8}])
def test_arguments_without_effect_are_refused(name, args):
    words = {"drop_rate": r"head.layers .*\{dropout: 0.9\}", "widht": r"`width`\? \w+ takes model.args.width"}
    with pytest.raises(UserError, match=words.get(*args, "head.layers")):
        check_model_args(name, {"width": 8, **args})
    for other, right in (("careless", {"width": 8}), ("resnet18", {"drop_path_rate": 0.5})):
        check_model_args(other, right)
    check_model_args("reader", {"widths": [4], "strides": 1, "withd": 1, "size": 5})
    with pytest.raises(UserError, match=r"model.args.size: careless takes"):
        check_model_args("careless", {"size": 5})
