"""The weights of a sweep, brought from a local stand-in for the hub; the training then needs no hub."""

import pytest
import safetensors.torch
import timm
import torch
from huggingface_hub import constants

from karyocyte.common.errors import UserError
from karyocyte.composition.grid import job_configs
from karyocyte.workflows.sweeps.weights import bring_weights
from lightning_modules.backbones.pretrained import build_pretrained
from lightning_modules.backbones.weights_folders import WeightsFolders
from tests.helpers.hub import local_hub

TAGS = ("test_resnet.r160_in1k", "test_vit.r160_in1k")  # timm's tiny networks
DRAWN = ("data=synthetic_cells", "weights=${model.name}.r160_in1k", "prepare.size=160", "unfreeze=head_only")
SWEEP = (*DRAWN, "model.name=test_resnet,test_vit", "seed=0,1,2")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder for weights, and an empty cache of the hub."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


@pytest.fixture
def published():
    """What the stand-in has: random weights of both networks."""
    torch.manual_seed(5)
    states = {tag: timm.create_model(tag.partition(".")[0]).state_dict() for tag in TAGS}
    return {f"timm/{tag}/model.safetensors": safetensors.torch.save(state) for tag, state in states.items()}


def test_the_weights_of_all_jobs_are_brought_once_and_found_without_the_hub(folder, published, monkeypatch, capsys):
    configs = job_configs([*SWEEP, f"weights_dir={folder}"])
    assert [config.model.name for config in configs] == ["test_resnet", "test_vit"]  # not once more for each seed
    with local_hub(published, monkeypatch) as requests:
        bring_weights(configs)
        assert [request for request in requests if request.startswith("GET")] == [f"GET {key}" for key in published]
        bring_weights(configs)
        assert len([request for request in requests if request.startswith("GET")]) == 2
    words = " ".join(capsys.readouterr().out.split())
    assert "2 files of weights" in words
    assert all(tag in words for tag in TAGS)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    for config in configs:
        backbone, _ = build_pretrained(config.model, config.weights, 160, folders=WeightsFolders(folder))
        state = safetensors.torch.load(published[f"timm/{config.weights}/model.safetensors"])
        assert all(torch.equal(value, state[key]) for key, value in backbone.module.state_dict().items())


def test_without_a_folder_they_go_into_the_cache_of_the_hub(folder, published, monkeypatch, tmp_path):
    with local_hub(published, monkeypatch):
        bring_weights(job_configs([*SWEEP, "weights_dir=null"]))
    assert len(list((tmp_path / "hub").glob("models--timm--*/snapshots/*/model.safetensors"))) == 2
    assert not list(folder.iterdir())


def test_what_the_hub_does_not_have_is_named_after_the_rest_is_brought(folder, published, monkeypatch):
    configs = job_configs([*SWEEP, f"weights_dir={folder}"])
    del published["timm/test_resnet.r160_in1k/model.safetensors"]
    with local_hub(published, monkeypatch), pytest.raises(UserError, match=r"weights=test_resnet.r160_in1k") as caught:
        bring_weights(configs)
    assert "scripts/prepare_data.py with --weights where there is internet" in str(caught.value)
    assert len(list(folder.glob("models--timm--test_vit*/snapshots/*/model.safetensors"))) == 1


def test_without_a_hub_all_that_is_missing_is_named_and_where_to_bring_it(folder, monkeypatch, capsys):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="2 files of weights are missing: the warnings name them"):
        bring_weights(job_configs([*SWEEP, f"weights_dir={folder}"]))
    warnings = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning:")]
    assert [line.split(":")[1].strip() for line in warnings] == [f"weights={tag}" for tag in TAGS]
    assert all("HF_HUB_OFFLINE is set" in line for line in warnings)
    assert all(str(folder) in line for line in warnings)
