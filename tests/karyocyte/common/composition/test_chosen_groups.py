"""A group typed beside an experiment wins whole, or is refused with what to type."""

import shlex

import pytest
from omegaconf import OmegaConf

from karyocyte.common.composition.chosen_groups import GROUPS, check_chosen_groups
from karyocyte.common.composition.compose import compose_overrides
from karyocyte.common.config.defaults import composition
from karyocyte.common.errors import UserError
from karyocyte.common.paths import CONF

EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))
SWEPT = ("unfreeze=head_only", "model=resnet18", "optimizer=sgd", "balance=none", "transform=none")


def remedy_of(*words: str) -> list[str]:
    """Return what the refusal of these overrides says to add; nothing where they are accepted."""
    try:
        check_chosen_groups(words)
    except UserError as error:
        return shlex.split(str(error).partition(": add ")[2].partition(" so that ")[0])
    return []


def assert_it_wins_whole(experiment: str, word: str) -> int:
    """Type the remedy, if there is one; return how many words it has."""
    group = word.partition("=")[0]
    typed = [f"+experiment={experiment}", word]
    added = remedy_of(*typed)
    sections = [compose_overrides([*typed, *added])[group], composition(word)[group]]
    both, alone = map(OmegaConf.to_container, sections)
    assert both == alone
    return len(added)


@pytest.mark.parametrize("word", SWEPT)
def test_with_every_experiment_a_chosen_group_wins_whole_once_the_remedy_is_typed(word):
    needed = [assert_it_wins_whole(name, word) for name in EXPERIMENTS]
    assert word.startswith(("optimizer", "balance")) or max(needed) > 0


@pytest.mark.parametrize("group", GROUPS)
def test_every_option_of_every_group_wins_whole_beside_an_experiment_that_sets_keys_of_many(group):
    for option in sorted(path.stem for path in (CONF / group).glob("*.yaml")):
        assert_it_wins_whole("chromosomes", f"{group}={option}")


def test_keys_that_are_typed_are_not_in_the_way():
    typed = ["+experiment=resnet50_cut_block5", "unfreeze=head_then_finetune"]
    assert not remedy_of(*typed)  # its own rates are those of the experiment
    assert remedy_of(typed[0], "model=resnet18") == ["model.cut=null"]
    assert not remedy_of(typed[0], "model=resnet18", "model.cut=layer3")
    assert remedy_of(typed[0], "unfreeze=head_only") == ["~unfreeze.stages.finetune"]
    assert not remedy_of(typed[0], "unfreeze=head_only", "unfreeze.stages.finetune.lr=1e-4")
    assert not remedy_of("unfreeze=head_only")


def test_a_group_that_does_not_exist_is_explained_as_such():
    with pytest.raises(UserError, match="there is no unfreeze=none"):
        compose_overrides(["+experiment=resnet50_cut_block5", "unfreeze=none"])
