"""What the tests of several networks ask in the same words."""

from typing import Any

import torch
from torch import nn

from lightning_modules.backbones.backbone import Backbone, build_backbone


def assert_cut_equals_uncut(name: str, args: dict[str, Any], network: nn.Module, cut: str, size: int) -> Backbone:
    """Build ``name`` cut at ``cut`` with the weights of ``network``, hold both outputs there equal, bit for bit."""
    backbone = build_backbone(name, args, cut, size)
    kept = backbone.module.state_dict()
    backbone.module.load_state_dict({key: value for key, value in network.state_dict().items() if key in kept})
    found = []
    handle = network.get_submodule(cut).register_forward_hook(lambda _m, _i, output: found.append(output))
    image = torch.rand(2, 3, size, size)
    with torch.no_grad():
        network(image)
        handle.remove()
        assert torch.equal(backbone.module.eval().forward_features(image), found[0])
    assert backbone.out_shape == tuple(found[0].shape[1:])
    return backbone
