"""A group typed beside an experiment wins whole, or is refused with what to type."""

import shlex
from itertools import cycle

import pytest
from omegaconf import OmegaConf

from karyocyte.common.compat import quick_compositions
from karyocyte.common.errors import UserError
from karyocyte.common.paths import CONF
from karyocyte.composition.chosen_groups import GROUPS, check_chosen_groups
from karyocyte.composition.compose import compose_overrides
from karyocyte.composition.grid import job_configs
from karyocyte.config.defaults import composition

EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))


def remedy_of(words: list[str]) -> list[str]:
    """Return the words that the refusal of others says to add; nothing where they are accepted."""
    try:
        check_chosen_groups(words)
    except UserError as error:
        return shlex.split(str(error).partition(": add ")[2].partition(" so that ")[0])
    return []


def assert_it_wins_whole(words: list[str]) -> None:
    """Assert that each chosen group of a job is that of its option alone."""
    composed = compose_overrides(words)
    for word in words[1:]:
        group = word.partition("=")[0]
        if group in GROUPS:
            assert OmegaConf.to_container(composed[group]) == OmegaConf.to_container(composition(word)[group])


@pytest.mark.parametrize("group", GROUPS)
def test_with_every_experiment_an_option_of_every_group_wins_whole_once_the_remedy_is_typed(group):
    """Every other experiment, with each option in turn: all with all would take four minutes."""
    options = sorted(path.stem for path in (CONF / group).glob("*.yaml"))
    refused = 0
    with quick_compositions():
        for experiment, option in zip(EXPERIMENTS[GROUPS.index(group) % 2 :: 2], cycle(options), strict=False):
            words = [f"+experiment={experiment}", f"{group}={option}"]
            remedies = remedy_of(words)
            refused += len(remedies) > 0
            assert_it_wins_whole([*words, *remedies])
    assert refused > 0 or group in ("optimizer", "balance", "scheduler", "loss")


@pytest.mark.parametrize("grid", ["smoke_grid", "cnmc_grid"])
def test_the_experiments_of_a_sweep_are_not_mixed_with_a_typed_group(grid):
    with pytest.raises(UserError, match="would be mixed"):
        job_configs([f"+sweep={grid}", "unfreeze=head_only", "data_dir=images"], needs_data=False)


def test_keys_that_are_typed_are_not_in_the_way():
    typed = ["+experiment=resnet50_cut_block5", "unfreeze=head_then_finetune"]
    assert not remedy_of(typed)  # its own rates are those of the experiment
    assert remedy_of([typed[0], "model=resnet18"]) == ["model.cut=null"]
    assert not remedy_of([typed[0], "model=resnet18", "model.cut=layer3"])
    assert remedy_of([typed[0], "unfreeze=head_only"]) == ["~unfreeze.stages.finetune"]
    assert not remedy_of([typed[0], "unfreeze=head_only", "unfreeze.stages.finetune.lr=1e-4"])
    assert not remedy_of(["unfreeze=head_only"])


def test_a_group_that_does_not_exist_is_explained_as_such():
    with pytest.raises(UserError, match="there is no unfreeze=none"):
        compose_overrides(["+experiment=resnet50_cut_block5", "unfreeze=none"])
