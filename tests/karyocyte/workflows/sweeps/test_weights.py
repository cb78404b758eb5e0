"""The weights of a sweep, brought from a local stand-in for the hub; the training then needs no hub."""

import json

import pytest
import safetensors.torch
import torch
from huggingface_hub import constants

from karyocyte.commands.prepare_data import app
from karyocyte.common.errors import UserError
from karyocyte.common.files import sha256_of_file
from karyocyte.composition.grid import job_configs
from karyocyte.workflows.sweeps.weights import bring_weights
from lightning_modules.backbones.pretrained import build_pretrained
from lightning_modules.backbones.weights_folders import WeightsFolders
from tests.helpers.hub import local_hub
from tests.helpers.terminal import run_app
from tests.lightning_modules.backbones.test_pretrained import trained

TAGS = ("test_resnet.r160_in1k", "test_vit.r160_in1k")  # timm's tiny networks
DRAWN = ("data=synthetic_cells", "weights=${model.name}.r160_in1k", "prepare.size=160", "unfreeze=head_only")
SWEEP = (*DRAWN, "model.name=test_resnet,test_vit", "seed=0,1,2")


@pytest.fixture
def folder(tmp_path, hub_cache):
    """An empty folder for weights."""
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


@pytest.fixture
def published():
    """What the stand-in has: weights of both networks."""
    return {f"timm/{tag}/model.safetensors": safetensors.torch.save(trained(tag.partition(".")[0])) for tag in TAGS}


def test_the_weights_of_all_jobs_are_brought_once_and_found_without_the_hub(folder, published, monkeypatch, capsys):
    configs = job_configs([*SWEEP, f"weights_dir={folder}"])
    assert [config.model.name for config in configs] == ["test_resnet", "test_vit"]  # not once more for each seed
    with local_hub(published, monkeypatch) as requests:
        bring_weights(configs)
        assert [request for request in requests if request.startswith("GET")] == [f"GET {key}" for key in published]
        bring_weights(configs)
        assert len([request for request in requests if request.startswith("GET")]) == 2
    words = " ".join(capsys.readouterr().out.split())
    assert [f"2 files of weights, {count} of them there" in words for count in (0, 1, 2)] == [True, False, True]
    for tag in TAGS:
        (path,) = folder.glob(f"models--timm--{tag}/snapshots/*/model.safetensors")
        assert f"{tag}: {path.stat().st_size / 1e6:.1f} MB, SHA-256 {sha256_of_file(path)} {path}" in words
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    for config in configs:
        backbone, _ = build_pretrained(config.model, config.weights, 160, folders=WeightsFolders(folder))
        state = safetensors.torch.load(published[f"timm/{config.weights}/model.safetensors"])
        assert all(torch.equal(value, state[key]) for key, value in backbone.module.state_dict().items())


def test_all_are_listed_without_the_internet_and_nothing_is_brought(folder, monkeypatch):
    with local_hub({}, monkeypatch) as requests:
        places = [f"weights_dir={folder / 'none'}", f"cache_dir={folder / 'cache'}"]
        output = run_app(app, "--weights", "--all", "--list", *places).output
    assert requests == list(folder.iterdir()) == []
    keras = ("inception_v3_keras.tf_keras_in1k", "mobilenetv2_100.tf_keras_in1k", "resnet50_v1.msra_in1k")
    hub = (
        "convnext_tiny.fb_in1k",
        "vit_small_patch14_dinov2.lvd142m",
        "tf_efficientnet_lite0.in1k",
        "resnet18.tv_in1k",
    )
    lines = output.splitlines()
    assert lines[0] == "8 files of weights, 0 of them there"
    assert {line for line in lines[1:] if not line.startswith(" ")} == {*keras, *hub, "vgg16.tf_keras_in1k"}
    assert f"  size: unknown\n  licence: bsd-3-clause\n  source: {constants.ENDPOINT}/timm/resnet18.tv_in1k" in output
    assert "  size: 58.9 MB\n  licence: CC-BY-4.0\n  source: https://storage.googleapis.com/" in output
    assert "  for: mobilenetv2_cut, mobilenetv2_features, mobilenetv2_last1, mobilenetv2_last7" in lines


def test_what_lies_beside_a_file_that_is_there_is_listed(folder):
    path = folder / "resnet18.tv_in1k.trunk_to_layer3.safetensors"
    state = trained("resnet18")
    safetensors.torch.save_file({key: state[key] for key in state if not key.startswith(("layer4", "fc"))}, path)
    (folder / f"{path.name}.json").write_text(json.dumps({"licence": "CC0", "source": "drawn"}))
    words = ["+experiment=scratch_cnn_d128,resnet18_cut_block5", "data=synthetic_cells", f"weights_dir={folder}"]
    output = run_app(app, *words, "--weights", "--list").output
    assert f"  there: {path}\n  size: {path.stat().st_size / 1e6:.1f} MB\n  licence: CC0\n  source: drawn" in output


def test_without_a_folder_they_are_in_the_cache_of_the_hub(hub_cache, published, monkeypatch, capsys):
    configs = job_configs([*DRAWN, "model.name=test_resnet", "weights_dir=null"])
    with local_hub(published, monkeypatch):
        bring_weights(configs)
        (path,) = hub_cache.glob("*/blobs/*")
        path.write_bytes(b"damaged")
        with pytest.raises(UserError, match="1 file of weights missing or damaged: the warnings name"):
            bring_weights(configs)
        assert f"warning: {path} is damaged, its SHA-256 is " in capsys.readouterr().out
        path.unlink()
        bring_weights(configs)
    assert path.read_bytes() == published[f"timm/{TAGS[0]}/model.safetensors"]


def test_what_the_hub_does_not_have_is_named_after_the_rest_is_brought(folder, published, monkeypatch, capsys):
    configs = job_configs([*SWEEP, f"weights_dir={folder}"])
    del published["timm/test_resnet.r160_in1k/model.safetensors"]
    with local_hub(published, monkeypatch), pytest.raises(UserError, match="1 file of weights missing"):
        bring_weights(configs)
    (warning,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning:")]
    assert warning.startswith("warning: weights=test_resnet.r160_in1k")
    assert "scripts/prepare_data.py with --weights where there is internet" in warning
    assert len(list(folder.glob("models--timm--test_vit*/snapshots/*/model.safetensors"))) == 1
    with pytest.raises(UserError, match="2 files of weights missing or damaged"):  # without a hub
        bring_weights(job_configs([*SWEEP, f"weights_dir={folder / 'none'}"]))
