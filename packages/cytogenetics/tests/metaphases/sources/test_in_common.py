"""What all sources have in common, of those of pictures: the tests of the core, with their assertions, on more sets."""

import pytest

from packages.cytogenetics.tests.metaphases.data.sets import write_metaphases
from tests.datamodules.sources import test_sources as core

SETS = {
    "metaphases": ({}, write_metaphases, 5, ("normal", "abnormal"), 4, {None}),
    "synthetic_metaphases": ({"cells": 4, "cases": 3, "abnormal": 0.3}, None, 4, ("normal", "abnormal"), 3, {None}),
}
NOTES = {
    "metaphases": ["5 pictures with 10 boxes (Pascal VOC)", "in no list: 1"],
    "synthetic_metaphases": ["synthetic: procedurally", "4 pictures with 185 boxes (Pascal", "pairs", "in no list: 0"],
}


@pytest.fixture(autouse=True)
def further_sets(monkeypatch):
    monkeypatch.setattr(core, "SETS", SETS)
    monkeypatch.setattr(core, "NOTES", NOTES)
    monkeypatch.setattr(core, "WRITTEN", {"synthetic_metaphases": {"seed": 1}})


@pytest.mark.parametrize("name", SETS)
def test_images_classes_subjects_and_parts(tmp_path, name):
    core.test_images_classes_subjects_and_parts(tmp_path, name)


def test_images_are_written_once_and_again_where_one_is_missing(tmp_path, monkeypatch, capsys):
    again = core.test_images_are_written_once_and_again_where_one_is_missing
    again(tmp_path, "synthetic_metaphases", monkeypatch, capsys)
