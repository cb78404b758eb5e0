"""Heads: what a short list in YAML builds, and what it refuses."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from karyocyte.common.errors import UserError
from lightning_modules.backbones.heads import build_head

MAP = (8, 3, 3)


def test_the_head_of_paper_001_is_built_in_its_order():
    head = build_head([{"dropout": 0.5}, "gap", {"dense": 256}, "batchnorm", {"dropout": 0.3}], MAP, 1)
    names = ["dropout1", "gap1", "dense1", "relu1", "batchnorm1", "dropout2", "logits"]
    assert [name for name, _ in head.named_children()] == names
    assert (head.dropout1.p, head.dropout2.p) == (0.5, 0.3)
    assert (head.dense1.in_features, head.dense1.out_features, head.logits.out_features) == (8, 256, 1)
    assert head(torch.rand(4, *MAP)).shape == (4, 1)


def test_gap_is_the_mean_over_space_in_every_layout():
    x = torch.rand(2, *MAP)
    mean = x.mean(dim=(2, 3))
    maps = build_head(["gap"], MAP, 2)
    assert torch.allclose(maps.gap1(x), mean)
    last = build_head(["gap"], (3, 3, 8), 2, layout="NHWC")
    assert torch.allclose(last.gap1(x.permute(0, 2, 3, 1)), mean)
    tokens = torch.cat([torch.full((2, 1, 8), 100.0), x.flatten(2).transpose(1, 2)], dim=1)
    patches = build_head(["gap"], (10, 8), 2, layout="NLC", prefix_tokens=1)
    assert torch.allclose(patches.gap1(tokens), mean)


@given(
    units=st.lists(st.integers(1, 40), max_size=3), logits=st.integers(1, 24), pool=st.sampled_from(["gap", "flatten"])
)
def test_any_stack_gives_the_logits_and_starts_as_keras_would(units, logits, pool):
    head = build_head([pool, *({"dense": unit} for unit in units)], MAP, logits)
    assert head(torch.rand(2, *MAP)).shape == (2, logits)
    for module in head.modules():
        if isinstance(module, nn.Linear):
            assert module.weight.abs().max() <= (6 / (module.in_features + module.out_features)) ** 0.5 + 1e-7
            assert not module.bias.any()


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        (["pool"], "'pool' is no layer; .*dense.*dropout"),
        ([{"conv": 3}], "conv.* is no layer"),
        (["gap", "dense"], "dense: write {dense: 256}"),
        ([{"gap": 1}], "gap: write"),
        (["gap", {"dense": 0}], "dense: 0 must"),
        (["gap", {"dropout": 1.0}], "dropout: 1.0 must"),
        ([{"dense": 4}, "gap"], "before dense: put gap or flatten first"),
        ([{"dropout": 0.5}], "before the logits: put gap or flatten first"),
        (["gap", "gap"], "already a vector of 8"),
    ],
)
def test_a_wrong_head_is_refused(layers, words):
    with pytest.raises(UserError, match=f"^head.layers: .*{words}.*$"):
        build_head(layers, MAP, 1)


def test_the_class_token_is_taken_of_tokens_alone():
    head = build_head(["token"], (5, 4), 2, layout="NLC", prefix_tokens=1)
    tokens = torch.randn(3, 5, 4)
    torch.testing.assert_close(head(tokens), head.logits(tokens[:, 0]))
    for shape, layout, prefix in (((8, 4, 4), "NCHW", 0), ((4, 8), "NLC", 0), ((8,), "NC", 0)):
        with pytest.raises(UserError, match="token: the features have no class token"):
            build_head(["token"], shape, 2, layout, prefix)
