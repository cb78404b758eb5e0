"""Tables of layers, and the parameter counts that the papers print and the names of our experiments say."""

import re

import pandas as pd
import pytest

from karyocyte.commands.explain import app
from karyocyte.common.karyotype import CHROMOSOMES
from karyocyte.common.paths import ROOT
from karyocyte.composition.compose import compose_config
from karyocyte.runs.stages import stages_of
from karyocyte.workflows.explain.summary import build_untrained
from lightning_modules.build.layer_table import count_as_keras
from tests.helpers.terminal import run_app

# In all, and trained in the last stage: as papers 004 and 001 print them, and of our experiments on its karyograms.
BLOCK4, BLOCK5 = 1_180_160 + 2 * 2_359_808, 3 * 2_359_808  # of VGG16
PRINTED = {
    "vgg16_features": (21_137_729, 6_423_041),
    "vgg16_finetune_last3": (21_137_729, 6_423_041 + BLOCK5),
    "vgg16_cut_block5_features": (7_766_849, 131_328 + 257),
    "vgg16_cut_block5": (7_766_849, 7_728_129),
    "resnet50_features": (23_589_761, 2_049),
    "resnet50_finetune_last3": (23_589_761, 4_467_713),
    "resnet50_cut_block5_features": (8_851_841, 262_657),
    "resnet50_cut_block5_d512": (9_114_497, 9_083_905),
    "mobilenetv2_features": (2_259_265, 1_281),
    "mobilenetv2_last1": (2_259_265, 887_361),
    "mobilenetv2_last7": (2_259_265, 1_985_793),
    "karyogram_vgg16": (14_847_297, 132_097),
    "karyogram_vgg16_last1": (14_847_297, 132_097 + BLOCK5),
    "karyogram_vgg16_last2": (14_847_297, 132_097 + BLOCK5 + BLOCK4),
    "karyogram_vgg16_full": (14_847_297, 14_846_785),
    "karyogram_inceptionv3": (22_328_609, 525_313),
    "karyogram_inceptionv3_last1": (22_328_609, 525_313 + 6_073_536),
    "karyogram_inceptionv3_last2": (22_328_609, 525_313 + 6_073_536 + 5_041_344),
    "karyogram_inceptionv3_full": (22_328_609, 22_293_665),
}


def summary(*arguments, code=0):
    return run_app(app, "summary", *arguments, code=code)


@pytest.mark.parametrize("experiment", PRINTED)
def test_counts_are_those_that_the_papers_print(experiment, undrawn_layers):
    config = compose_config([f"+experiment={experiment}", "weights=random"])
    classifier = build_untrained(config, 2)
    classifier.configure_stage(list(stages_of(config).values())[-1])
    assert count_as_keras(classifier, config.model.name)[::-1] == PRINTED[experiment]


def test_the_table_of_printed_counts_is_that_of_our_networks():
    table = pd.read_csv(ROOT / "results" / "claims" / "parameters.csv").set_index("experiment")
    assert len(table) == 10
    for experiment, row in table.iterrows():
        assert (row["parameters"], row["trainable"]) == PRINTED[experiment]


def test_layers_have_the_shapes_and_parameters_of_paper_004(tmp_path):
    csv = tmp_path / "layers.csv"
    result = summary("+experiment=vgg16_cut_block5", "--csv", csv)
    output = " ".join(result.output.split())
    assert re.search(r"block2 7,766,849 7,728,129 7,766,849 7,728,129", output)
    table = pd.read_csv(csv).set_index("layer")
    backbone = table.loc["backbone", ["output", "parameters", "trainable"]]
    assert backbone.tolist() == ["512 x 14 x 14", 7_635_264, 7_596_544]
    assert table.loc["head.dense1", ["kind", "output", "parameters"]].tolist() == ["Linear", "256", 131_328]
    assert table.loc["head.logits", ["output", "parameters"]].tolist() == ["1", 257]
    assert table["parameters"].sum() == 7_766_849


def test_of_published_sets_the_number_of_classes_is_known():
    output = summary("+experiment=anet_c6_mnist", "prepare.size=80").output
    assert re.search(r"head.logits +Linear +10 ", output)
    output = summary("data=synthetic_chromosomes", "model=resnet18", "model.cut=layer1").output
    assert re.search(rf"head.logits +Linear +{len(CHROMOSOMES)} ", output)
