"""Classes that conf/ names are built, with those among their arguments."""

from datetime import timedelta

from karyocyte.config.build import bound

ENTRY = {"_target_": "collections.ChainMap", "maps": [{"_target_": "datetime.timedelta"}]}


def test_arguments_that_are_entries_are_built():
    assert bound("loss", ENTRY).keywords == {"maps": [timedelta()]}
