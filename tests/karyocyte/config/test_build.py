"""Classes that conf/ names are built, and those of no other package where Hydra asks for them."""

from datetime import timedelta

import hydra.utils

from karyocyte.config.build import bound

ENTRY = {"_target_": "collections.ChainMap", "maps": [{"_target_": "datetime.timedelta"}]}


def test_hydra_is_told_which_packages_an_entry_names(monkeypatch):
    assert bound("loss", ENTRY).keywords == {"maps": [timedelta()]}
    given = []
    monkeypatch.setattr(hydra.utils, "execution_whitelist", None, raising=False)  # as versions from 1.4 have it
    monkeypatch.setattr(hydra.utils, "instantiate", lambda _, **options: given.append(options))
    bound("loss", ENTRY)
    assert given == [{"_execution_whitelist_": ["albumentations.*", "collections.*", "datetime.*", "torch.*"]}]
