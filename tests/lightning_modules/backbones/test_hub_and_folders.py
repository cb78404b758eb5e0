"""Weights in timm's form: a folder of config.json and model.safetensors, brought by hand or by the hub's client."""

import json
from pathlib import Path

import pytest
import safetensors.torch
import timm
import torch

from lightning_modules.backbones.pretrained import build_pretrained
from lightning_modules.backbones.weights_folders import WeightsFolders
from tests.helpers.hub import local_hub
from tests.lightning_modules.backbones.test_pretrained import fails, model

NETWORK = "vit_small_patch14_dinov2"
TINY = {"embed_dim": 32, "depth": 1, "num_heads": 2}
REPOSITORY = "someone/vit_tiny.cells"


def trained() -> dict[str, torch.Tensor]:
    """Return the state of a tiny ViT as DINOv2's own code saves it, mask token included, at 70 px."""
    torch.manual_seed(3)
    state = timm.create_model(NETWORK, img_size=70, num_classes=0, **TINY).state_dict()
    return {"mask_token": torch.zeros(1, 32), **{key: value + 0.5 for key, value in state.items()}}


def write_folder(folder: Path, state: dict[str, torch.Tensor] | None = None, **config) -> Path:
    folder.mkdir(parents=True)
    scale = {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6], "input_size": [3, 70, 70], "num_classes": 0}
    facts = {"pretrained_cfg": scale, "model_args": {**TINY, "img_size": 70}, "num_classes": 0}
    (folder / "config.json").write_text(json.dumps({"architecture": NETWORK, **facts, **config}))
    safetensors.torch.save_file(trained() if state is None else state, folder / "model.safetensors")
    return folder


def test_a_folder_is_loaded_with_its_arguments_and_normalisation(tmp_path):
    folder = write_folder(tmp_path / "weights")
    backbone, info = build_pretrained(model(NETWORK), f"local-dir:{folder}", 42)
    assert torch.equal(backbone.module.blocks[0].mlp.fc1.weight, trained()["blocks.0.mlp.fc1.weight"])
    assert backbone.module.pos_embed.shape == (1, 10, 32)  # resampled from 25 patches to 9, and the class token
    assert (info.mean, info.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert info.args == TINY  # the run's model.json: the image size is that of prepare.size
    assert info.sha256


def test_wherever_the_folder_lies_the_content_is_the_same(tmp_path, hub_cache):
    first = write_folder(tmp_path / "a")
    write_folder(tmp_path / "b" / "vit_tiny.cells")
    _, info = build_pretrained(model(NETWORK), f"local-dir:{first}", 42)
    _, brought = build_pretrained(model(NETWORK), f"hf-hub:{REPOSITORY}", 42, folders=WeightsFolders(tmp_path / "b"))
    assert info.content_hash() == brought.content_hash()


def test_the_hub_gives_both_files_once(tmp_path, monkeypatch, hub_cache):
    folder = write_folder(tmp_path / "weights")
    files = {f"{REPOSITORY}/{path.name}": path.read_bytes() for path in folder.iterdir()}
    with local_hub(files, monkeypatch) as requests:
        for _ in range(2):
            backbone, _ = build_pretrained(model(NETWORK), f"hf-hub:{REPOSITORY}", 42)
    assert torch.equal(backbone.module.norm.weight, trained()["norm.weight"])
    assert requests.count(f"GET {REPOSITORY}/model.safetensors") == 1


@pytest.mark.parametrize(("file", "other"), [("config.json", "args.yaml"), ("model.safetensors", "pytorch_model.bin")])
def test_a_file_that_lacks_is_named_and_no_pickle_is_taken(tmp_path, file, other):
    folder = write_folder(tmp_path / "weights")
    (folder / file).rename(folder / other)
    message = fails(f"has no {file}: bring", model(NETWORK), f"local-dir:{folder}")
    assert "no pickle" in message
