"""Monte Carlo dropout: the same passes as the plain way, by the arithmetic of the masks, and at no rate."""

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import nn

from karyocyte.common.errors import UserError
from karyocyte.runs.facts import ModelFacts
from lightning_modules.backbones.backbone import build_backbone
from lightning_modules.backbones.heads import build_head
from lightning_modules.modules.classifier import Classifier
from lightning_modules.prediction.mc_dropout import McDropout, SampledDropout, check_dropout

PAPER = [{"dropout": 0.5}, "gap", {"dense": 16}, "batchnorm", {"dropout": 0.3}]  # paper 001, Figure 3.5, narrower


# Name -> (timm's name, its arguments, cut, size), in networks of milliseconds.
NETWORKS: dict[str, tuple[str, dict[str, Any], str | None, int]] = {
    "NCHW": ("resnet18", {}, "layer1", 24),
    "tokens": ("vit_tiny_patch16_224", {"depth": 1, "embed_dim": 12, "num_heads": 2}, None, 48),
    # Drops by a function, if at all: its modules hold no dropout.
    "functional": ("densenet121", {"block_config": (1, 1), "growth_rate": 8}, None, 32),
}
HEADS = {
    "the paper's": PAPER,
    "dropout after gap": ["gap", {"dropout": 0.4}, {"dense": 8}],
    "flatten, dense, dropout": [{"dropout": 0.2}, "flatten", {"dense": 8}, {"dropout": 0.5}],
    "none, then some": [{"dropout": 0.0}, "gap", {"dense": 8}, {"dropout": 0.5}],
    "some, then none": [{"dropout": 0.5}, "gap", {"dropout": 0.0}, {"dense": 8}],
}


def sampling_classifier(layers: list, network: str = "NCHW", logits: int = 1, **args) -> Classifier:
    """Return a classifier in eval mode with random weights, and BatchNorm statistics that are not its first ones."""
    torch.manual_seed(0)
    name, network_args, cut, size = NETWORKS[network]
    backbone = build_backbone(name, {**network_args, **args}, cut, size)
    head = build_head(layers, backbone.out_shape, logits, backbone.layout, backbone.prefix_tokens)
    model = Classifier(backbone.module, head, max(logits, 2), ModelFacts([0.5] * 3, [0.3] * 3, args))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    return model.eval()


def images(count: int, network: str = "NCHW") -> torch.Tensor:
    """Return noise of the size of a network."""
    size = NETWORKS[network][3]
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def masked_by_hand(model: Classifier, image: torch.Tensor, passes: int, seed: int) -> torch.Tensor:
    """Return logits (passes, B, K): the whole network for each pass, with its masks in place of the head's dropout."""
    numbers = McDropout.image_numbers(image)
    logits = []
    for place in range(passes):
        x = model.features(image)
        for position, layer in enumerate(model.head):
            if isinstance(layer, nn.Dropout):
                dropout = SampledDropout(seed, position, layer.p)
                masks = [dropout.draw_masks(number, passes, x.shape[1:])[place] for number in numbers]
                x = x * torch.stack(masks) / (1 - layer.p)
            else:
                x = layer(x)
        logits.append(x)
    return torch.stack(logits)


@pytest.mark.parametrize("logits", [1, 5])
@pytest.mark.parametrize("layers", HEADS.values(), ids=HEADS)
def test_it_is_the_arithmetic_of_its_masks(layers, logits):
    model, image = sampling_classifier(layers, logits=logits), images(3)
    passes = McDropout(model, 7, seed=5)(image)
    torch.testing.assert_close(passes, masked_by_hand(model, image, 7, seed=5), atol=1e-5, rtol=1e-5)
    plain, _ = McDropout(model, 7, seed=5).plain_and_passes(image, [0, 1, 2])
    assert torch.equal(plain, model(image))


@pytest.mark.parametrize("layers", HEADS.values(), ids=HEADS)
def test_at_rate_0_every_pass_is_the_plain_way_bit_for_bit(layers):
    model, image = sampling_classifier(layers, logits=3), images(3)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    plain, passes = McDropout(model, 4, seed=0).plain_and_passes(image, [0, 1, 2])
    assert torch.equal(passes, plain.expand(4, 3, 3))


def test_the_seed_decides_and_more_passes_begin_with_the_same_ones():
    model, image = sampling_classifier(PAPER), images(2)
    first = McDropout(model, 5, seed=0)(image)
    torch.manual_seed(99)
    assert torch.equal(McDropout(model, 5, seed=0)(image), first)
    assert not torch.equal(McDropout(model, 5, seed=1)(image), first)
    torch.testing.assert_close(McDropout(model, 9, seed=0)(image)[:5], first)


def test_passes_layers_and_images_have_masks_of_their_own():
    masks = SampledDropout(0, 0, 0.5).draw_masks(1, 3, (2000,))
    others = [SampledDropout(0, 1, 0.5).draw_masks(1, 3, (2000,)), SampledDropout(0, 0, 0.5).draw_masks(2, 3, (2000,))]
    together = torch.cat([masks, *others]).float()
    assert torch.allclose(torch.corrcoef(together), torch.eye(9), atol=0.1)
    assert torch.equal(SampledDropout(0, 0, 0.5).draw_masks(1, 2, (2000,)), masks[:2])
    assert SampledDropout(0, 0, 0.2).draw_masks(1, 1, (100_000,)).float().mean() == pytest.approx(0.8, abs=0.01)


def test_an_image_has_the_same_passes_in_any_batch_and_others_than_a_nearly_equal_one():
    model, image = sampling_classifier(PAPER), (images(4) * 255).round() / 255
    together = McDropout(model, 5, seed=0)(image)
    for order in ([2], [3, 1], [1, 2, 0]):
        torch.testing.assert_close(McDropout(model, 5, seed=0)(image[order]), together[:, order])
    other = image.clone()
    other[0, 0, 0, 0] = 1 - other[0, 0, 0, 0]
    first, changed = McDropout.image_numbers(image), McDropout.image_numbers(other)
    assert len({*first, *changed}) == 5
    assert McDropout.image_numbers(image.bfloat16()) == first


@pytest.mark.parametrize("training", [False, True])
def test_batchnorm_and_modes_are_left_alone_and_a_model_in_training_mode_is_refused(training):
    model, image = sampling_classifier(PAPER).train(training), images(4)
    # A mode that is not its network's: some module might be in training on purpose.
    model.head.relu1.train(not training)
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    check_dropout(model, 5)
    with pytest.raises(ValueError, match="eval mode") if training else nullcontext():
        McDropout(model, 5, seed=0)(image)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())


def test_no_dropout_is_an_error_although_timm_puts_modules_of_rate_0_everywhere():
    with pytest.raises(UserError, match=r"inference.mc_passes=100: .*\{dropout: 0.5\} in head.layers"):
        check_dropout(sampling_classifier(["gap"], "tokens"), 100)


def test_dropout_of_the_backbone_stays_off_which_is_said(capsys):
    # ResNet's drop_rate is that of its own classifier, which the backbone lost.
    with pytest.raises(UserError, match="no dropout"):
        check_dropout(sampling_classifier(["gap"], drop_rate=0.5), 10)
    check_dropout(sampling_classifier(PAPER), 10)
    assert not capsys.readouterr().out
    model, image = sampling_classifier([{"dropout": 0.0}, "gap"], "functional", proj_drop_rate=0.3), images(2)
    check_dropout(model, 10)
    assert "the dropout of the backbone (model.args) stays off" in capsys.readouterr().out
    assert torch.equal(McDropout(model, 3, seed=0)(image), model(image).expand(3, 2, 1))
