"""A mistyped command line is answered in one line with the nearest right keys."""

import pytest

from karyocyte.common.errors import UserError
from karyocyte.composition.compose import compose_config


@pytest.mark.parametrize(
    ("overrides", "answer"),
    [
        (["+optimiser._target_=torch.optim.Adam"], "optimizer"),
        (["+data.positive_clas=all"], "data.positive_class"),
        (["+unfreeze.stages.head.learning_rate=1"], "unfreeze.stages.<name>.lr"),
        (["data=synthetic_karyograms", "+data.chromosomes.cels=1"], "data.chromosomes.cells"),
        (["+cluster=slurm", "cluster.partion=gpu"], "cluster.partition"),
        (["+cluster=slurm", "cluster.nodes=2"], "is not trainer.num_nodes=1: set the latter alone"),
        (["+cluster=local", "trainer.num_nodes=2"], "type +cluster=slurm"),
        (["lr=1e-3"], "unfreeze.lr"),
        (["datadir=x"], "data_dir"),
        (["model=efficientnet_b0"], "any other network of timm: model.name=<name>"),
        (["hydra/launcher=submitit_slurm"], "train.py -m ... +cluster=slurm"),
        (["hydra/sweeper=optuna"], "scripts/tune.py"),
        (["+search=lr_batch"], "scripts/tune.py"),
        (["data=cnmc", "data.subject_regex=x"], "+data.subject_regex="),
        (["experiment=resnet50_features"], "+experiment="),
        (["seed=0,1,2"], "--multirun"),
        (["data_dir=", "images"], "without blanks around ="),
    ],
)
def test_the_answer_is_one_line_that_names_the_correction(overrides, answer):
    with pytest.raises(UserError) as caught:
        compose_config(overrides)
    assert answer in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "override", ["seed=100000000000000000000", "data.images=1000000000", "loader.workers=5000", "data.seed=4294967296"]
)
def test_numbers_that_only_a_slip_explains_are_refused(override):
    with pytest.raises(UserError, match=override.partition("=")[0]):
        compose_config(["data=synthetic", override])
