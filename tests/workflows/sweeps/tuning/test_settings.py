"""The space of a search: what it may hold, and how its keys may be written."""

import pytest
from omegaconf import OmegaConf

from common.config.compose import check_config
from common.errors import UserError
from tests.helpers.training import composed
from workflows.sweeps.tuning.settings import DimensionConfig, SearchConfig, take_search

RANGE = {"low": 0.1, "high": 1.0}


def test_nested_and_dotted_keys_are_the_same_space():
    nested = SearchConfig(space={"unfreeze": {"lr": RANGE}, "loader": {"batch_size": {"choices": [8, 16]}}})
    dotted = SearchConfig(space={"unfreeze.lr": RANGE, "loader.batch_size": {"choices": [8, 16]}})
    assert nested == dotted
    assert list(nested.space) == ["unfreeze.lr", "loader.batch_size"]


def test_choices_keep_their_types():
    choices = DimensionConfig(choices=[True, 1, 0.5, "adam"]).choices
    assert [type(choice) for choice in choices] == [bool, int, float, str]


@pytest.mark.parametrize("wrong", [{}, {"choices": [1, 1]}, {"choices": [1], "low": 0, "high": 1}])
def test_a_dimension_that_says_too_little_or_too_much_is_refused(wrong):
    with pytest.raises(ValueError, match=r"low|choices"):
        DimensionConfig(**wrong)


def test_the_search_is_taken_off_and_the_rest_is_a_configuration():
    whole = composed(["+search=lr_batch", "search.trials=7"])
    search, rest = take_search(whole)
    assert search.trials == 7
    assert "search" in whole
    assert "search" not in rest
    assert check_config(rest) == check_config(composed([]))
    with pytest.raises(UserError, match=r"scripts/tune\.py"):
        check_config(whole)


def test_an_interpolation_of_nothing_is_one_line():
    whole = composed(["+search=lr_batch"])
    OmegaConf.update(whole, "search.seed", "${nothing}")
    with pytest.raises(UserError, match="^search: ") as caught:
        take_search(whole)
    assert "\n" not in str(caught.value)
