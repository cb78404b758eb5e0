"""How many parameters of the backbone train in the experiments of paper 001 and ours on its karyograms.

The counts that the papers print of whole networks: tests/karyocyte/workflows/explain/test_summary.py.
"""

import pytest

from lightning_modules.backbones.backbone import build_backbone, set_trainable
from tests.helpers.training import composed
from tests.lightning_modules.tiny import parameter_count

BLOCK4, BLOCK5 = 1_180_160 + 2 * 2_359_808, 3 * 2_359_808
# Name -> network, cut and size; what trains: nothing, from the last block on, from the last two on, all.
NETWORKS = {
    "vgg16": (("vgg16", None, 64), (0, BLOCK5, BLOCK4 + BLOCK5, 14_714_688)),
    "inceptionv3": (("inception_v3_keras", None, 96), (0, 6_076_800, 6_076_800 + 5_044_608, 21_785_568)),
}


@pytest.mark.parametrize("network", NETWORKS)
def test_as_many_parameters_train_as_the_name_of_the_experiment_says(network):
    (name, cut, size), trainable = NETWORKS[network]
    module = build_backbone(name, {}, cut, size).module
    for suffix, parameters in zip(("", "_last1", "_last2", "_full"), trainable, strict=True):
        stages = composed([f"+experiment=karyogram_{network}{suffix}"]).unfreeze.stages
        assert list(stages) == ["together"]
        set_trainable(module, list(stages.together.train))
        assert parameter_count(module, trainable=True) == parameters, suffix
