"""A group typed beside an experiment wins whole, or is refused with the keys that are in the way."""

import re
import shlex

import pytest

from karyocyte.common.errors import UserError
from karyocyte.composition.chosen_groups import check_chosen_groups
from karyocyte.composition.compose import compose_overrides
from karyocyte.composition.grid import job_configs


def in_the_way(*words: str) -> list[str]:
    """Return the words that the message says to add; none where the given ones are accepted."""
    try:
        check_chosen_groups(words)
    except UserError as error:
        return shlex.split(re.search(": add (.*), or give ", str(error))[1])
    return []


@pytest.mark.parametrize("grid", ["smoke_grid", "cnmc_grid"])
def test_the_experiments_of_a_sweep_are_not_mixed_with_a_typed_group(grid):
    with pytest.raises(UserError, match="would be mixed"):
        job_configs([f"+sweep={grid}", "unfreeze=head_only", "data_dir=images"], needs_data=False)


def test_keys_that_are_typed_are_not_in_the_way():
    experiment = "+experiment=resnet50_cut_block5"
    assert not in_the_way(experiment, "unfreeze=head_then_finetune")  # its own rates are those of the experiment
    assert in_the_way(experiment, "model=resnet18") == ["model.cut=null"]
    assert not in_the_way(experiment, "model=resnet18", "model.cut=layer3")
    assert not in_the_way(experiment, "unfreeze=head_only", "unfreeze.stages.finetune.lr=1e-4")
    words = [experiment, "unfreeze=head_only"]
    words += in_the_way(*words)
    assert list(compose_overrides(words).unfreeze.stages) == ["head"]
    assert not in_the_way("unfreeze=head_only")
