"""Weights: from files, by tag from a cache, at random; each fault is an error that names a remedy."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import safetensors.torch
import timm
import torch

from karyocyte.common.errors import UserError
from karyocyte.common.files import sha256_of_file
from karyocyte.config.schema import PretrainedConfig
from lightning_modules.backbones.pretrained import build_pretrained
from lightning_modules.backbones.weights_folders import WeightsFolders
from lightning_modules.networks import register_network
from tests.helpers.hub import local_hub
from tests.lightning_modules.tiny import save_weights

TAG = "test_resnet.r160_in1k"  # one of timm's tiny networks


def model(name: str = "scratch_cnn", cut: str | None = None, **args) -> SimpleNamespace:
    return SimpleNamespace(name=name, args=args, cut=cut)


def trained(name: str = "scratch_cnn", **args) -> dict[str, torch.Tensor]:
    """Return the state of a whole network that differs from any fresh one."""
    register_network(name)
    torch.manual_seed(11)
    state = timm.create_model(name, **args).state_dict()
    return {key: value + 0.5 if value.is_floating_point() else value for key, value in state.items()}


def assert_filled(network: torch.nn.Module, state: dict[str, torch.Tensor]) -> None:
    """Check that all values of a network are those of a file."""
    assert network.state_dict()
    for key, value in network.state_dict().items():
        assert torch.equal(value, state[key]), key


def fails(words: str, choice: SimpleNamespace, weights: str, size: int = 60) -> str:
    """Check that the weights are refused with these words in one line; return the line."""
    with pytest.raises(UserError, match=words) as caught:
        build_pretrained(choice, weights, size)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_fills_every_parameter_and_says_how_images_must_be(tmp_path):
    state = trained()
    weights = save_weights(tmp_path, state)
    backbone, info = build_pretrained(model(), weights, 60)
    assert_filled(backbone.module, state)
    assert (info.mean, info.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert info.sha256 == sha256_of_file(Path(weights))
    Path(f"{weights}.json").unlink()
    assert "add pretrained.mean=[R,G,B]" in fails("nothing says the scale", model(), weights)
    given = PretrainedConfig(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    assert build_pretrained(model(), weights, 60, given)[1].std == given.std


@pytest.mark.parametrize(
    "wrapper", ["", "module.", "model.", "module.backbone.", "encoder.", "network._orig_mod.trunk."]
)
@pytest.mark.parametrize("saved_as", ["", "state_dict", "model_state_dict", "network.model"])
def test_names_lose_what_was_around_the_network(tmp_path, wrapper, saved_as):
    state = trained("test_resnet")
    named = {f"{wrapper}{key}": value for key, value in state.items()}
    if wrapper:
        named |= {"projector.0.weight": torch.ones(2), f"ema.{wrapper}conv1.0.weight": torch.ones(2)}
    saved = {"epoch": 3, "optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}}} if saved_as else {}
    inner = saved
    for key in filter(None, saved_as.split(".")):
        inner[key] = inner = {}
    inner.update(named)
    backbone, _ = build_pretrained(model("test_resnet"), save_weights(tmp_path, saved, "own.pth"), 64)
    assert_filled(backbone.module, state)


def test_a_part_with_the_names_of_the_network_is_not_taken_for_it(tmp_path):
    state = {f"module.{key}": value for key, value in trained("resnet18").items()}
    backbone, _ = build_pretrained(model("resnet18", cut="conv1"), save_weights(tmp_path, state), 64)
    assert torch.equal(backbone.module.conv1.weight, state["module.conv1.weight"])


def test_weights_of_several_or_other_networks_and_pickled_ones_are_refused(tmp_path):
    state = trained()
    both = {"student": state, "teacher": state}
    fails("several networks, student., teacher.: save one", model(), save_weights(tmp_path, both, "both.pth"))
    averaged = save_weights(tmp_path, {"state_dict": state, "state_dict_ema": trained()}, "averaged.pth")
    assert_filled(build_pretrained(model(), averaged, 60)[0].module, state)
    other = save_weights(tmp_path, {"blocks.0.weight": torch.ones(1)})
    fails("no name of the network in it, only blocks.0.weight", model(), other)
    for content in ({}, [torch.ones(1)], torch.ones(1)):
        fails("it holds no named tensors: save those of", model(), save_weights(tmp_path, content, "own.pth"))
    pickled = save_weights(tmp_path, torch.nn.Linear(1, 1), "pickled.pth")
    fails(r"objects of Python, .* torch.save\(network.state_dict", model(), pickled)


@pytest.mark.parametrize("folded", [False, True])
def test_a_file_of_folded_batchnorm_is_recognised(tmp_path, folded):
    state = trained("test_resnet")
    for key in state:
        if folded and key.endswith("running_mean"):
            state[key] = torch.zeros_like(state[key])
    assert build_pretrained(model("test_resnet"), save_weights(tmp_path, state), 64)[1].freeze_batchnorm is folded


def test_a_file_may_hold_more_below_what_the_cut_removed_and_be_of_another_kind_than_its_ending(tmp_path):
    state = trained()
    Path(save_weights(tmp_path, state)).rename(tmp_path / "own.pth")
    (tmp_path / "own.safetensors.json").rename(tmp_path / "own.pth.json")
    backbone, _ = build_pretrained(model(cut="pool2"), str(tmp_path / "own.pth"), 60)
    assert set(backbone.module.state_dict()) == {f"conv{i}.{kind}" for i in (1, 2) for kind in ("weight", "bias")}
    assert torch.equal(backbone.module.conv2.weight, state["conv2.weight"])


@pytest.mark.parametrize(
    ("cut", "key", "value", "words"),
    [
        ("pool2", "conv2.scale", torch.ones(1), "no place for conv2.scale"),
        (None, "conv3.bias", torch.zeros(7), "conv3.bias.*compare model.args and prepare.size"),
        (None, "conv3.bias", torch.full((128,), torch.nan), "infinite or undefined values in conv3.bias"),
    ],
)
def test_wrong_values_are_refused(tmp_path, cut, key, value, words):
    weights = save_weights(tmp_path, {**trained(), key: value})
    assert weights in fails(words, model(cut=cut), weights)


def test_missing_keys_name_what_the_file_covers(tmp_path):
    state = {key: value for key, value in trained().items() if key.startswith(("conv1", "conv2"))}
    weights = save_weights(tmp_path, state)
    text = fails("no values for conv3.weight, conv3.bias, conv4.weight and 1 more", model(), weights)
    assert "it covers conv1, conv2" in text
    build_pretrained(model(cut="pool2"), weights, 60)


def test_a_damaged_file_is_refused(tmp_path):
    weights = save_weights(tmp_path, trained())
    Path(weights).write_bytes(Path(weights).read_bytes()[:1000])
    assert weights in fails("not a readable file of weights", model(), weights)
    torch.save(trained(), tmp_path / "own.pth")
    content = bytearray((tmp_path / "own.pth").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "own.pth").write_bytes(content)
    fails("not a readable file of weights: damaged", model(), str(tmp_path / "own.pth"))


def test_a_name_is_a_file_in_the_folder_of_weights(tmp_path):
    state = trained()
    path = save_weights(tmp_path, state, "scratch_cnn.own.safetensors")
    backbone, info = build_pretrained(model(), "scratch_cnn.own", 60, folders=WeightsFolders(tmp_path))
    assert_filled(backbone.module, state)
    _, by_path = build_pretrained(model(), path, 60)
    assert info.content_hash() == by_path.content_hash()


def test_a_trunk_is_what_a_name_stands_for_where_the_network_is_cut_there(tmp_path):
    after = ("layer3", "layer4", "fc")
    state = {key: value for key, value in trained("test_resnet").items() if not key.startswith(after)}
    Path(save_weights(tmp_path, state)).rename(tmp_path / f"{TAG}.trunk_to_layer2.safetensors")
    backbone, info = build_pretrained(model("test_resnet", "layer2"), TAG, 64, folders=WeightsFolders(tmp_path))
    assert_filled(backbone.module, state)
    assert info.mean == timm.get_pretrained_cfg(TAG).mean


def test_weights_with_a_classifier_lose_it(tmp_path):
    state = {key: value.half() if value.is_floating_point() else value for key, value in trained("test_vit").items()}
    backbone, _ = build_pretrained(model("test_vit"), save_weights(tmp_path, state), 160)
    assert not [key for key in backbone.module.state_dict() if key.startswith("head")]
    assert torch.equal(backbone.module.blocks[0].mlp.fc1.weight, state["blocks.0.mlp.fc1.weight"].float())


def fill(cache: Path, tag: str, state: dict[str, torch.Tensor]) -> Path:
    repository = cache / f"models--timm--{tag}"
    snapshot = repository / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123")
    safetensors.torch.save_file(state, snapshot / "model.safetensors")
    return snapshot / "model.safetensors"


@pytest.mark.parametrize("cut", [None, "layer2"])
def test_a_tag_in_the_cache_is_loaded_through_timm(hub_cache, cut):
    state = trained("test_resnet")
    path = fill(hub_cache, TAG, state)
    backbone, info = build_pretrained(model("test_resnet", cut), TAG, 64)
    assert_filled(backbone.module, state)
    config = timm.get_pretrained_cfg(TAG)
    assert (info.mean, info.std) == (config.mean, config.std)
    assert info.sha256 == sha256_of_file(path)


@pytest.mark.parametrize(
    ("tag", "key"),
    [
        (TAG, "layer3.0.conv1.weight"),
        ("dla46_c.in1k", "level2.root.conv.weight"),  # of this family timm loads files without insisting on every key
    ],
)
def test_an_incomplete_tag_is_refused(hub_cache, tag, key):
    name = tag.partition(".")[0]
    state = trained(name)
    state.pop(key)
    fill(hub_cache, tag, state)
    assert key in fails(f"weights=.*{tag}", model(name), tag, 64)


def test_a_hub_in_reach_gives_the_file_that_it_has(hub_cache, monkeypatch, tmp_path):
    state = trained("test_resnet")
    torch.save(state, tmp_path / "state")
    files = {f"timm/{TAG}/pytorch_model.bin": (tmp_path / "state").read_bytes()}
    with local_hub(files, monkeypatch):
        backbone, _ = build_pretrained(model("test_resnet"), TAG, 64)
    assert torch.equal(backbone.module.layer2[0].conv1.weight, state["layer2.0.conv1.weight"])
