"""A finished run is shown again only where nothing that it was made from, and none of its own files, has changed."""

import os

import pytest

from common import revision
from common.runs import origin
from common.runs.origin import Origin
from common.runs.run import Run

SETTINGS = {"name": "cells", "protocol": "image", "seed": 0, "resume": "auto", "evaluation": {"resamples": 100}}


@pytest.fixture
def values(tmp_path, monkeypatch):
    """The configuration of a run that is finished and evaluated."""
    monkeypatch.setattr(origin, "ROOT", tmp_path)
    monkeypatch.setattr(revision, "ROOT", tmp_path)
    (tmp_path / "evaluation").mkdir()
    (tmp_path / "evaluation" / "metrics.py").write_text("first = 1\n")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(b"a")
    (tmp_path / "labels.csv").write_text("a.png,blast\n")
    values = {
        **SETTINGS,
        "output_dir": str(tmp_path / "outputs"),
        "cache_dir": str(tmp_path / "outputs"),
        "data_dir": str(tmp_path / "images"),
        "data": {"files": ["labels", str(tmp_path / "labels.csv")], "text": "no\0path"},
    }
    run = Run(tmp_path / "outputs" / "cells" / "image-fold0-12345678" / "seed=0")
    run.write_summary("accuracy 0.9\n")
    (run.folder / "logs").mkdir()
    (run.folder / "logs" / "metrics.csv").write_text("epoch\n")
    (run.folder / ".lock").touch()
    Origin.of(values).write(run)
    return values


def find(values):
    return Origin.of(values).finished_run(values)


def test_an_unchanged_run_is_found_whatever_was_added_to_it(values, tmp_path):
    found = find({**values, "cluster": {"name": "local"}})
    assert found.summary == "accuracy 0.9\n"
    (found.folder / "report.html").write_text("later")
    (found.folder / ".lock").write_text("held")
    assert find(values).folder == found.folder


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"evaluation": {"resamples": 200}}, id="evaluation"),
        pytest.param({"seed": 1}, id="seed"),
        pytest.param({"resume": "never"}, id="resume"),
        pytest.param({"output_dir": "elsewhere"}, id="place"),
    ],
)
def test_another_configuration_is_another_run(values, change):
    assert find({**values, **change}) is None


@pytest.mark.parametrize(
    "file",
    ["images/b.png", "images/a.png", "labels.csv", "labels.csv.json", "evaluation/metrics.py", "my_callback.py"],
)
def test_changed_images_tables_and_code_are_noticed(values, tmp_path, file):
    (tmp_path / file).write_text("other")
    assert find(values) is None


@pytest.mark.parametrize("name", ["summary.txt", "logs/metrics.csv"])
@pytest.mark.parametrize("change", [lambda file: file.unlink(), lambda file: file.write_text("stale")])
def test_files_of_the_run_that_are_missing_or_others_are_noticed(values, name, change):
    change(find(values).folder / name)
    assert find(values) is None


def test_a_run_is_never_taken_for_unchanged_where_its_images_lie_behind_links(values, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "images" / "more").symlink_to(tmp_path / "elsewhere")
    Origin.of(values).write(Run(tmp_path / "outputs" / "cells" / "image-fold0-12345678" / "seed=0"))
    assert find(values) is None


def test_names_of_images_need_not_be_utf8(values, tmp_path):
    (tmp_path / "images" / os.fsdecode(b"b\xff.png")).write_bytes(b"b")
    assert find(values) is None


def test_an_installation_is_noticed(values, tmp_path, monkeypatch):
    packages = tmp_path / "site-packages"
    packages.mkdir()
    monkeypatch.setattr(origin.sysconfig, "get_path", lambda name: str(packages))
    before = Origin.of(values).code
    (packages / "scipy").mkdir()
    assert Origin.of(values).code != before


def test_code_that_is_neither_here_nor_installed_is_never_taken_for_unchanged(values, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "my_callbacks.py").write_text("class Mine: ...\n")
    monkeypatch.syspath_prepend(tmp_path / "elsewhere")
    run = find(values)
    for target, found in (("pytorch_lightning.callbacks.Timer", True), ("my_callbacks.Mine", False)):
        with_callback = {**values, "callbacks": {"extra": [{"_target_": target}]}}
        Origin.of(with_callback).write(run)
        assert (find(with_callback) is not None) == found


def test_texts_that_are_no_paths_do_not_matter(values):
    assert find({**values, "note": "~nobody/x"}) is None  # another configuration, and no error
