"""The primary configurations of a detector, a cutter and a refiner: their keys, and what is refused."""

import re

import pytest

from cytogenetics.config.networks import CutterConfig, DetectorConfig, RefinerConfig
from cytogenetics.trained.pictures import BUILT_IN_REFINER
from karyocyte.common.errors import UserError
from karyocyte.composition.compose import compose_config
from karyocyte.composition.named_files import check_files
from tests.helpers.training import composed

DRAWN = "data=synthetic_metaphases"
KINDS = {"detector": DetectorConfig, "cutter": CutterConfig, "refiner": RefinerConfig}


@pytest.mark.parametrize("primary", KINDS)
def test_a_network_of_pictures_has_its_own_keys_and_none_of_a_classifier(primary):
    config = compose_config([DRAWN], primary)
    assert type(config) is KINDS[primary]
    assert (config.recipe, config.name) == (primary, primary)
    assert not {"loss", "head", "balance", "inference"} & config.model_fields_set
    assert config.evaluation.model_dump() == {"confidence": 0.95}


def test_only_a_detector_prepares_pictures_and_has_a_decoder():
    config = compose_config([DRAWN], "detector")
    written = config.model_dump(include={"prepare", "decoder"})
    assert written == {"prepare": {"canvas": {"scale": 0.5}}, "decoder": {"width": 48}}
    others = {name for primary in ("cutter", "refiner") for name in type(compose_config([DRAWN], primary)).model_fields}
    assert not {"prepare", "decoder"} & others


@pytest.mark.parametrize(
    ("primary", "override", "error"),
    [
        ("detector", "loss.label_smoothing=0.1", "loss.label_smoothing"),
        ("detector", "evaluation.triage.accuracy=0.9", "evaluation.triage.accuracy is in no file of conf/"),
        ("detector", "decoder.width=12", "decoder.width: Input should be a multiple of 8"),
        ("cutter", "decoder.width=16", "decoder.width is in no file of conf/"),
        ("cutter", "prepare.canvas.scale=0.7", "prepare.canvas.scale is in no file of conf/"),
        ("detector", "+profile=smoke", "prepare.size has no effect here"),
        ("detector", "+profile=demo", r"\+profile=demo is for a classifier, not for a detector"),
        ("cutter", "data=synthetic", "data.source=synthetic is for a classifier"),
    ],
)
def test_a_key_of_another_network_is_an_error(primary, override, error):
    with pytest.raises(UserError) as caught:
        compose_config([*([] if override.startswith("data") else [DRAWN]), override], primary)
    assert re.search(error, str(caught.value))


def test_pictures_are_no_images_of_a_classifier():
    with pytest.raises(UserError, match="not for a classifier: type --config-name detector"):
        compose_config([DRAWN])


def test_the_detector_of_a_refiner_must_be_one():
    for detector, error in (("absent", "absent"), (BUILT_IN_REFINER, "is no detector: name a run")):
        with pytest.raises(UserError, match=error):
            check_files(composed(["data_dir=.", f"detector={detector}"], "refiner"))
