"""Imports of large libraries without the garbage collector."""

import gc
import sys

import pytest

from common.cli import heavy_imports


@pytest.fixture
def before_torch(monkeypatch):
    """As in a process that has not imported torch; what is frozen is thawed afterwards."""
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    yield
    gc.enable()
    gc.unfreeze()


def test_the_collector_rests_and_later_leaves_alone_what_is_there(before_torch):
    gc.unfreeze()
    with heavy_imports():
        assert not gc.isenabled()
        assert gc.get_freeze_count() == 0
    assert gc.isenabled()
    assert gc.get_freeze_count() > 10_000


def test_an_import_that_fails_leaves_the_collector_on(before_torch):
    with pytest.raises(ImportError), heavy_imports():
        raise ImportError
    assert gc.isenabled()


def test_where_torch_is_there_already_nothing_changes(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", sys)
    frozen = gc.get_freeze_count()
    with heavy_imports():
        assert gc.isenabled()
    assert gc.get_freeze_count() == frozen


def test_a_collector_that_was_off_stays_off(before_torch):
    gc.disable()
    with heavy_imports():
        pass
    assert not gc.isenabled()
