"""Classes that conf/ names are built, and no other ones where Hydra asks which are meant."""

import hydra.utils

from karyocyte.config.build import bound

ENTRY = {"_target_": "collections.ChainMap", "maps": [{"_target_": "collections.OrderedDict"}]}


def test_hydra_is_told_which_classes_an_entry_names(monkeypatch):
    assert bound("loss", ENTRY).keywords == {"maps": [{}]}
    given = []
    monkeypatch.setattr(hydra.utils, "execution_whitelist", None, raising=False)  # as versions from 1.4 have it
    monkeypatch.setattr(hydra.utils, "instantiate", lambda _, **options: given.append(options))
    bound("loss", ENTRY)
    assert given == [{"_execution_whitelist_": ["collections.ChainMap", "collections.OrderedDict"]}]
