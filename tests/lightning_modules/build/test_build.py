"""A classifier from a configuration, and what of it makes a run the run it is."""

from dataclasses import replace

import pytest
import timm

from karyocyte.common.errors import UserError
from lightning_modules.backbones.pretrained import WeightsInfo
from lightning_modules.build.build import build_classifier
from lightning_modules.networks import scratch_cnn  # noqa: F401 (it registers itself)
from tests.helpers.training import small_config
from tests.lightning_modules.tiny import save_weights


def test_all_that_changes_what_the_network_computes_is_in_the_content_hash():
    info = WeightsInfo((0.5,) * 3, (0.5,) * 3, "a" * 64, False, {"pad_type": "same"})
    changes = {"mean": (0.0,) * 3, "std": (1.0,) * 3, "sha256": "b" * 64, "freeze_batchnorm": True, "args": {}}
    hashes = {replace(info, **{key: value}).content_hash() for key, value in changes.items()}
    assert len(hashes | {info.content_hash()}) == len(changes) + 1


def test_another_scale_of_the_images_is_another_content_of_a_run(tmp_path):
    weights = save_weights(tmp_path, timm.create_model("scratch_cnn", num_classes=0).state_dict())
    words = ["model=scratch_cnn", f"weights={weights}", "prepare.size=60", "unfreeze=head_only"]
    contents = []
    for mean in ("[0,0,0]", "[0.5,0.5,0.5]"):
        config = small_config(tmp_path, *words, f"pretrained.mean={mean}", "pretrained.std=[1,1,1]")
        contents.append(build_classifier(config, ("hem", "all"))[1])
    assert contents[0] != contents[1]


def test_the_number_of_logits_fits_the_classes(tmp_path):
    config = small_config(tmp_path, "head.logits=3")
    with pytest.raises(UserError, match=r"head\.logits=3 does not fit 2 classes"):
        build_classifier(config, ("hem", "all"))


def test_folded_batchnorm_does_not_train(tmp_path):
    state = timm.create_model("mobilenetv3_small_050", num_classes=0).state_dict()
    words = ["model.name=mobilenetv3_small_050", f"weights={save_weights(tmp_path, state)}", "unfreeze=whole"]
    words += ["pretrained.mean=[0,0,0]", "pretrained.std=[1,1,1]"]
    with pytest.raises(UserError, match=r"unfreeze\.stages\.all\.batchnorm=frozen"):
        build_classifier(small_config(tmp_path, *words), ("hem", "all"))
    build_classifier(small_config(tmp_path, *words, "unfreeze.stages.all.batchnorm=frozen"), ("hem", "all"))
