"""The parameter counts that the papers print and the names of our experiments say."""

import pandas as pd
import pytest
from torch import nn

from karyocyte.common.paths import ROOT
from lightning_modules import create_classifier
from lightning_modules.backbones.backbone import has_running_statistics
from lightning_modules.modules.staged_module import count_parameters

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


def count_as_keras(classifier):
    """Count all parameters, and those that train, as Keras does.

    It counts the running means and variances of BatchNorm among those that do not train. Its ResNet-50 has biases in
    its convolutions, which the BatchNorm behind them makes superfluous, and its InceptionV3 no gains in its BatchNorm.
    """
    network = classifier.hparams.backbone
    trainable, total = count_parameters(classifier)
    for module in classifier.modules():
        total += 2 * module.running_mean.numel() if has_running_statistics(module) else 0
    for module in classifier.backbone.modules():
        extra = 0
        if network.startswith("inception_v3") and has_running_statistics(module):
            extra = -module.weight.numel()
        elif network.startswith("resnet50") and isinstance(module, nn.Conv2d) and module.bias is None:
            extra = module.out_channels
        total += extra
        trainable += extra * (extra != 0 and module.weight.requires_grad)
    return total, trainable


@pytest.mark.parametrize("experiment", PRINTED)
def test_counts_are_those_that_the_papers_print(experiment, undrawn_layers):
    """Of the last stage."""
    classifier = create_classifier(experiment=experiment, weights="random")
    assert count_as_keras(classifier) == PRINTED[experiment]


def test_the_table_of_printed_counts_is_that_of_our_networks():
    table = pd.read_csv(ROOT / "results" / "claims" / "parameters.csv").set_index("experiment")
    assert len(table) == 10
    for experiment, row in table.iterrows():
        assert (row["parameters"], row["trainable"]) == PRINTED[experiment]
