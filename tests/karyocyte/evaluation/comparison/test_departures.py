"""In what a run departs from the paper's experiment, read from its configuration."""

import re
import shutil

import pytest

from karyocyte.common.composition.compose import compose_config
from karyocyte.common.paths import CONF, ROOT
from karyocyte.common.runs.ensemble import EnsembleFile, write_ensemble
from karyocyte.common.runs.run import Run
from karyocyte.evaluation.comparison.claims import read_claims
from karyocyte.evaluation.comparison.departures import (
    NOT_KNOWN,
    OURS,
    departures,
    of_config,
    of_experiment,
    printed_keys,
)
from tests.helpers.predictions import make_run

# What a line in the file of an experiment has, and how its key ends.
PRINTED = {r"\blr:": ".lr", "(batch_size|accumulate_grad_batches):": "batch", "max_epochs:": "max_epochs"}
PRINTED |= {"/optimizer: (rmsprop|adam_l2)": "optimizer", "/callbacks:": ".batches"}
RMSPROP = "optimizer=Adam() instead of RMSprop(alpha=0.9, eps=1e-07)"
BLOCK4 = {"train": ["features.17", "features.19", "features.21"], "lr": 1.0}
STAGES = ["unfreeze.stages.head.train=['all'] instead of []", "no stage block3", "no stage block2"]
LR = "unfreeze.stages.head.lr"
EPOCHS = "unfreeze.stages.finetune.max_epochs"
BREAK = "callbacks.early_break.validation"
CHECK = "callbacks.check_and_adjust"
BATCHNORM = "unfreeze.stages.finetune.batchnorm"
PRELIM = "['training', 'prelim']"
NONE = ", none in the paper's experiment"
STARTED = "starts from a run that is not known to have trained the head alone"
TRAINING = [
    ("resnet50_cut_block5_d512", ["optimizer=adam"], [RMSPROP]),
    ("resnet50_cut_block5_d512", [f"{LR}=1e-3"], [f"{LR}=0.001 instead of 5e-05"]),
    ("resnet50_cut_block5_d512", ["unfreeze.stages.finetune.lr=1e-4"], []),  # not printed
    ("resnet50_cut_block5", ["scheduler=cosine"], ["scheduler._target_=lightning_modules.optimizers.cosine" + NONE]),
    ("resnet50_cut_block5", ["weights=w/resnet50_v1.msra_in1k.trunk_to_layer3.safetensors"], []),
    ("resnet50_cut_block5", [f"{EPOCHS}=2"], [f"{EPOCHS}=2 instead of 30" + OURS]),
    (
        "resnet50_cut_block5",
        ["unfreeze=together", "~unfreeze.stages.head", "~unfreeze.stages.finetune"],
        ["no stage head", "no stage finetune", "a further stage: together"],
    ),
    ("hem_all_cnn_256", ["loader.batch_size=128", "trainer.accumulate_grad_batches=2"], []),
    ("hem_all_cnn_256", ["loader.batch_size=64"], ["batch=512 instead of 256"]),
    ("hem_all_cnn_256", ["unfreeze.stages.all.max_epochs=20"], ["unfreeze.stages.all.max_epochs=20 instead of 14"]),
    ("vgg16_mnist", [f"{BREAK}=0.9"], [f"{BREAK}=0.9 instead of 0.98"]),
    ("vgg16_mnist", [f"{BREAK}=0.99"], []),
    ("vgg16_mnist", [f"{CHECK}.every_epochs=null"], [f"{CHECK}.every_epochs=null instead of 10"]),
    ("scratch_cnn_d256", ["callbacks.early_stopping.patience=3"], []),
    ("scratch_cnn_d256", [f"{BREAK}=0.9"], []),  # there is none
    ("hem_all_cnn_256", ["callbacks=paper_003"], []),  # it only records
    ("scratch_cnn_d256", ["+callbacks.extra.a={_target_: b}"], ["callbacks.extra.a=b()" + NONE]),
    ("resnet50_cut_block5", [f"{BATCHNORM}=frozen"], [f"{BATCHNORM}=frozen instead of train"]),
    ("resnet50_cut_block5", ["data.parts=[training,prelim]"], [f"data.parts={PRELIM} instead of ['training']"]),
    ("karyogram_vgg16", ["data=karyograms"], []),
    ("karyogram_vgg16", ["data=karyograms", "data.augmented.normal=5"], ["data.augmented.normal=5.0 instead of 3.58"]),
    ("karyogram_vgg16", ["data.augmented.normal=5"], []),  # another data set, which the comparison names
]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"weights": "elsewhere/vgg16.tf_keras_in1k.trunk_to_features.23.safetensors"}, []),
        ({"weights": "vgg16.tv_in1k"}, ["other weights: vgg16.tv_in1k instead of vgg16.tf_keras_in1k"]),
        ({"prepare": {"size": 128}}, ["128 px instead of 224"]),
        (
            {"trainer": {"max_epochs": 2, "max_images": 100}},
            ["trainer.max_epochs=2 instead of 30" + OURS, "trainer.max_images=100, none in the paper's experiment"],
        ),
        ({"model": {"cut": None}}, ["model.cut=null instead of features.23"]),
        ({"model": {"args": {"stem_pool": "caffe"}}}, ["model.args={'stem_pool': 'caffe'}" + NONE]),
        ({"transform": {"sharpen": 0.4}}, ["transform.sharpen=0.4, none in the paper's experiment"]),
        ({"transform": {"sharpen": 0.0}}, []),
        ({"unfreeze": {"train": ["all"]}}, ["unfreeze.train=['all'], none in the paper's experiment"]),
        ({"optimizer": {"_target_": "torch.optim.SGD"}, "loader": {"batch_size": 8}}, []),  # the paper prints neither
        ({"unfreeze": {"stages": {"head": {"train": ["all"], "lr": 9.0}, "block4": BLOCK4}}}, STAGES),
        ({"name": "mine", "weights": "random"}, []),
    ],
)
def test_what_departs_from_the_paper_is_read_from_the_configuration(change, expected):
    config = of_experiment("vgg16_cut_block5")
    for key, value in change.items():
        config = {**config, key: {**config[key], **value} if isinstance(value, dict) else value}
    assert of_config(config) == expected


@pytest.mark.parametrize(("experiment", "overrides", "expected"), TRAINING)
def test_what_the_paper_prints_of_the_training_counts(experiment, overrides, expected):
    config = compose_config([f"+experiment={experiment}", *overrides]).model_dump(mode="json")
    assert of_config(config) == expected


@pytest.mark.parametrize("path", sorted((CONF / "experiment").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_run_as_its_experiment_says_departs_in_nothing(path):
    config = compose_config([f"+experiment={path.stem}"]).model_dump(mode="json")
    assert of_config(config) == []


@pytest.mark.parametrize("experiment", sorted(read_claims(ROOT / "results").query("method == ''")["experiment"]))
def test_the_keys_that_a_paper_prints_are_those_that_the_experiment_marks_as_its(experiment):
    text = (CONF / "experiment" / f"{experiment}.yaml").read_text()
    if "karyogram_vgg16]" in text or "- karyogram_vgg16" in text:  # which it begins with
        text += (CONF / "experiment" / "karyogram_vgg16.yaml").read_text()
    keys = printed_keys(experiment)
    marked = {name: re.search(rf"{name}[^#\n]*# paper \d", text) is not None for name in PRINTED}
    assert marked == {name: any(key.endswith(end) for key in keys) for name, end in PRINTED.items()}


@pytest.mark.parametrize(
    ("trained", "expected"),
    [
        (["+experiment=resnet50_cut_block5_features"], []),
        (["+experiment=resnet50_cut_block5_features", "weights=resnet50_v1.pruned_in1k"], [STARTED]),
        (["+experiment=resnet50_cut_block5"], [STARTED]),
        (None, [STARTED]),
    ],
)
def test_only_a_run_that_trained_the_head_alone_takes_the_place_of_that_stage(tmp_path, trained, expected):
    if trained:
        Run(tmp_path).write_raw_config(compose_config(trained).model_dump(mode="json"))
    assert of_config(of_experiment("resnet50_cut_block5") | {"init_from": str(tmp_path)}) == expected


def test_what_is_not_known_is_no_experiment_of_the_papers(tmp_path):
    """Of a run without configuration, and of an ensemble whose members are gone."""
    member = Run(tmp_path / "member")
    about = {"name": "vgg16_features"}
    member.write_predictions(make_run(about=about))
    assert departures([member]) == (NOT_KNOWN,)
    member.write_raw_config(of_experiment("vgg16_features"))
    ensemble = Run(tmp_path / "ensemble")
    ensemble.write_predictions(make_run(about=about))
    write_ensemble(ensemble.folder, EnsembleFile("average", (str(member.folder),), ("a",), {}, {"images": 0}))
    assert departures([Run(ensemble.folder)]) == ()
    shutil.rmtree(member.folder)
    assert departures([Run(ensemble.folder)]) == (NOT_KNOWN,)
