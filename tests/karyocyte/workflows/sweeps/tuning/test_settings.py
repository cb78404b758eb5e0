"""The space of a search: what it may hold, and how its keys may be written."""

from karyocyte.workflows.sweeps.tuning.settings import DimensionConfig, SearchConfig

RANGE = {"low": 0.1, "high": 1.0}


def test_nested_and_dotted_keys_are_the_same_space():
    nested = SearchConfig(space={"unfreeze": {"lr": RANGE}, "loader": {"batch_size": {"choices": [8, 16]}}})
    dotted = SearchConfig(space={"unfreeze.lr": RANGE, "loader.batch_size": {"choices": [8, 16]}})
    assert nested == dotted
    assert list(nested.space) == ["unfreeze.lr", "loader.batch_size"]
    choices = DimensionConfig(choices=[True, 1, 0.5, "adam"]).choices  # they keep their types
    assert [type(choice) for choice in choices] == [bool, int, float, str]
