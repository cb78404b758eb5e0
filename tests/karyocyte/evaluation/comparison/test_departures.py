"""In what a run departs from the paper's experiment, read from its configuration."""

import re
import shutil
from fnmatch import fnmatch

import pytest

from karyocyte.common.installed import conf_files
from karyocyte.common.paths import CONF, ROOT
from karyocyte.composition.compose import compose_config
from karyocyte.config.explain import known_keys
from karyocyte.config.schema import Config
from karyocyte.evaluation.comparison.claims import read_claims, read_table
from karyocyte.evaluation.comparison.departures import FACTORS, IGNORED, NOT_KNOWN, departures, of_config, printed_keys
from karyocyte.runs.ensemble import EnsembleFile, write_ensemble
from karyocyte.runs.run import Run
from tests.helpers.predictions import make_run

# What a line in the file of an experiment has, and how its key ends.
PRINTED = {r"\blr:": ".lr", "(batch_size|accumulate_grad_batches):": "batch", "max_epochs:": "max_epochs"}
PRINTED |= {"/optimizer: (rmsprop|adam_l2)": "optimizer", "/callbacks:": ".batches"}
LR = "unfreeze.stages.head.lr"
EPOCHS = "unfreeze.stages.finetune.max_epochs"
CHECK = "callbacks.check_and_adjust"
BATCHNORM = "unfreeze.stages.finetune.batchnorm"
# An experiment, what a run of it changes, and what departs: True where the paper prints the setting.
CHANGES = [
    ("resnet50_cut_block5_d512", [f"{LR}=1e-3"], {f"{LR}=0.001 instead of 5e-05": True}),
    ("resnet50_cut_block5_d512", ["unfreeze.stages.finetune.lr=1e-4"], {"unfreeze.stages.finetune.lr=0.0001": False}),
    ("resnet50_cut_block5", ["weights=w/resnet50_v1.msra_in1k.trunk_to_layer3.safetensors"], {}),
    ("resnet50_cut_block5", ["weights=resnet50_v1.pruned_in1k"], {"other weights: resnet50_v1.pruned_in1k": True}),
    ("resnet50_cut_block5", [f"{EPOCHS}=2"], {f"{EPOCHS}=2": False}),
    ("resnet50_cut_block5", [f"{BATCHNORM}=frozen"], {f"{BATCHNORM}=frozen instead of train": False}),
    ("resnet50_cut_block5", ["trainer.max_images=9", "loader.workers=2"], {"trainer.max_images=9": False}),
    ("resnet50_cut_block5", ["prepare.size=128"], {"128 px instead of 224 px": True}),
    ("resnet50_cut_block5", ["model.cut=layer2"], {"model.cut=layer2 instead of layer3": True}),
    ("hem_all_cnn_256", ["loader.batch_size=128", "trainer.accumulate_grad_batches=2"], {}),
    ("hem_all_cnn_256", ["loader.batch_size=64"], {"batch=512 instead of 256": True}),
    ("hem_all_cnn_256", ["unfreeze.stages.all.max_epochs=20"], {"unfreeze.stages.all.max_epochs=20": True}),
    ("hem_all_cnn_256", ["callbacks=paper_003"], {}),  # it only records
    ("vgg16_mnist", [f"{CHECK}.every_epochs=null"], {f"{CHECK}.every_epochs=None instead of 10": True}),
    ("vgg16_mnist", ["callbacks.early_break.validation=0.9"], {"callbacks.early_break.validation=0.9": False}),
    ("karyogram_vgg16", ["data=karyograms"], {}),
    ("karyogram_vgg16", ["data=karyograms", "data.augmented.normal=5"], {"data.augmented.normal=5.0": True}),
    ("karyogram_vgg16", ["data.augmented.normal=5"], {"data.augmented.normal=5.0": True}),
]
TRAINED = sorted(set(read_claims(ROOT / "results").query("method == '' and experiment != ''")["experiment"]))
TOGETHER = ["unfreeze=together", "~unfreeze.stages.head", "~unfreeze.stages.finetune"]


def configured(experiment, *words):
    return compose_config([f"+experiment={experiment}", *words]).model_dump(mode="json")


@pytest.mark.parametrize(("experiment", "words", "expected"), CHANGES)
def test_what_departs_and_whether_the_paper_prints_it(experiment, words, expected):
    found = of_config(configured(experiment, *words))
    assert list(found.values()) == list(expected.values())
    assert all(text.startswith(start) for text, start in zip(found, expected, strict=True))


def test_other_stages_are_another_training_and_a_key_that_is_lacking_is_at_its_default():
    found = of_config(configured("resnet50_cut_block5", *TOGETHER))
    assert found["stages=['together'] instead of ['head', 'finetune']"]
    assert of_config({"name": "resnet50_cut_block5", "init_from": "x"})["init_from=another run"]
    assert of_config({"name": "mine", "weights": "random"}) == {}


@pytest.mark.parametrize("path", conf_files("experiment"), ids=lambda path: path.stem)
def test_a_run_as_its_experiment_says_departs_in_nothing(path):
    assert of_config(configured(path.stem)) == {}


@pytest.mark.parametrize("experiment", TRAINED)
def test_the_keys_that_a_paper_prints_are_those_that_the_experiment_marks_as_its(experiment):
    text = (CONF / "experiment" / f"{experiment}.yaml").read_text()
    if "karyogram_vgg16]" in text or "- karyogram_vgg16" in text:  # which it begins with
        text += (CONF / "experiment" / "karyogram_vgg16.yaml").read_text()
    keys = printed_keys(experiment).split()
    marked = {name: re.search(rf"{name}[^#\n]*# paper \d", text) is not None for name in PRINTED}
    assert marked == {name: any(key.endswith(end) for key in keys) for name, end in PRINTED.items()}


def test_every_key_that_is_named_is_one_of_the_schema():
    named = {*IGNORED.split(), *FACTORS, *" ".join(read_table(ROOT / "results", "training")["keys"]).split()}
    named -= {"stages", "batch", "optimizer.fused"}  # made of several keys; an argument of some optimisers
    for known in (key.replace("<name>", "*") for key in known_keys(Config)):
        named = {key for key in named if not fnmatch(key, known) and not fnmatch(known, key)}
    assert named == set()


def test_what_is_not_known_is_no_experiment_of_the_papers(tmp_path):
    """Of a run without configuration, and of an ensemble whose members are gone."""
    member = Run(tmp_path / "member")
    about = {"name": "vgg16_features"}
    member.write_predictions(make_run(about=about))
    assert departures([member]) == {NOT_KNOWN: True}
    member.write_config(configured("vgg16_features"))
    ensemble = Run(tmp_path / "ensemble")
    ensemble.write_predictions(make_run(about=about))
    write_ensemble(ensemble.folder, EnsembleFile("average", (str(member.folder),), ("a",), {}))
    assert departures([Run(ensemble.folder)]) == {}
    shutil.rmtree(member.folder)
    assert departures([Run(ensemble.folder)]) == {NOT_KNOWN: True}
