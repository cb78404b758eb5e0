"""The space of a search: what it may hold, and how its keys may be written."""

import pytest

from karyocyte.common.errors import UserError
from karyocyte.composition.compose import check_config
from karyocyte.workflows.sweeps.tuning.settings import DimensionConfig, SearchConfig, take_search
from tests.helpers.training import composed

RANGE = {"low": 0.1, "high": 1.0}


def test_nested_and_dotted_keys_are_the_same_space():
    nested = SearchConfig(space={"unfreeze": {"lr": RANGE}, "loader": {"batch_size": {"choices": [8, 16]}}})
    dotted = SearchConfig(space={"unfreeze.lr": RANGE, "loader.batch_size": {"choices": [8, 16]}})
    assert nested == dotted
    assert list(nested.space) == ["unfreeze.lr", "loader.batch_size"]
    choices = DimensionConfig(choices=[True, 1, 0.5, "adam"]).choices  # they keep their types
    assert [type(choice) for choice in choices] == [bool, int, float, str]


def test_the_search_is_taken_off_and_the_rest_is_a_configuration():
    whole = composed(["+search=lr_batch", "search.trials=7"])
    search, rest = take_search(whole)
    assert search.trials == 7
    assert "search" in whole
    assert "search" not in rest
    assert check_config(rest) == check_config(composed([]))
    with pytest.raises(UserError, match=r"scripts/tune\.py"):
        check_config(whole)
