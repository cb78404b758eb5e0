"""A classifier from a configuration, and what of it makes a run the run it is."""

import json
from dataclasses import replace

import pytest
import safetensors.torch
import timm

from common.errors import UserError
from common.runs.address import run_folder, run_identity
from lightning_modules.backbones.pretrained import WeightsInfo
from lightning_modules.build import build_classifier
from tests.helpers.training import small_config

SIDE = {
    "model": "scratch_cnn",
    "timm_args": {"num_classes": 0},
    "mean": [0.1, 0.2, 0.3],
    "std": [0.4, 0.5, 0.6],
    "interpolation": "bilinear",
    "input_size": [3, 60, 60],
    "covers": "all modules",
    "freeze_batchnorm": False,
}


def test_all_that_changes_what_the_network_computes_is_in_the_content_hash():
    info = WeightsInfo((0.5,) * 3, (0.5,) * 3, "a" * 64, False, {"pad_type": "same"})
    changes = {"mean": (0.0,) * 3, "std": (1.0,) * 3, "sha256": "b" * 64, "freeze_batchnorm": True, "args": {}}
    hashes = {replace(info, **{key: value}).content_hash() for key, value in changes.items()}
    assert len(hashes | {info.content_hash()}) == len(changes) + 1


@pytest.mark.parametrize("change", [{"mean": [0.0, 0.0, 0.0]}, {"freeze_batchnorm": True}])
def test_another_side_file_is_another_run(tmp_path, change):
    path = tmp_path / "own.safetensors"
    safetensors.torch.save_file(timm.create_model("scratch_cnn", num_classes=0).state_dict(), path)
    config = small_config(tmp_path, "model=scratch_cnn", f"weights={path}", "prepare.size=60", "unfreeze=head_only")

    def address(side):
        path.with_name(path.name + ".json").write_text(json.dumps(side))
        _, contents = build_classifier(config, ("hem", "all"), None)
        return run_folder(config, run_identity(config, {"data": "d", **contents}))

    assert address(SIDE) == address({**SIDE, "source": "told otherwise"})
    assert address(SIDE) != address({**SIDE, **change})


def test_the_number_of_logits_fits_the_classes(tmp_path):
    config = small_config(tmp_path, "head.logits=3")
    with pytest.raises(UserError, match=r"head\.logits=3 does not fit 2 classes"):
        build_classifier(config, ("hem", "all"), None)
