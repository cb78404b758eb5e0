"""Each part works on as much as is asked for, and the table has its slopes."""

from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from benchmarks.growth import data, results, runs
from benchmarks.growth.__main__ import COLUMNS, _draw, app
from benchmarks.growth.part import Part, measure
from evaluation import evaluate

SIZES = {"images": 200, "subjects": 20, "runs": 30, "jobs": 30, "members": 3}
PARTS = (*data.PARTS, *results.PARTS, *runs.PARTS)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_a_part_works_on_as_much_as_is_asked_for(part, tmp_path, monkeypatch):
    monkeypatch.setattr(data, "RACY_SECONDS", 0.0)
    monkeypatch.setattr(results, "IMAGES_OF_SUBJECTS", 400)
    monkeypatch.setattr(results, "IMAGES_OF_MEMBERS", 100)
    monkeypatch.setattr(evaluate, "draw_figures", lambda *_: None)
    assert part.prepare(SIZES[part.unit], tmp_path)() == SIZES[part.unit]


def test_parts_have_their_own_names_and_rising_sizes():
    assert len({part.name for part in PARTS}) == len(PARTS)
    assert all(list(part.sizes) == sorted(set(part.sizes)) for part in PARTS)


def quadratic(monkeypatch, done=lambda size: size):
    """A part whose seconds are the square of its size, by a clock of its own."""
    clock = [0.0]
    monkeypatch.setattr("benchmarks.growth.part.time.process_time", lambda: clock[0])

    def prepare(size, folder):
        assert not list(folder.iterdir())

        def work():
            clock[0] += size**2
            return done(size)

        return work

    return Part("squares", "images", (1, 2, 4, 8), prepare)


def test_the_slope_is_that_from_the_size_before_and_what_takes_too_long_is_left_out(monkeypatch):
    part = quadratic(monkeypatch)
    rows = pd.DataFrame(map(asdict, measure(part, part.sizes, longest=20.0)))
    assert set(rows) == set(COLUMNS)
    assert rows["size"].tolist() == [1, 2, 4]
    assert rows["cpu_s"].tolist() == [1.0, 4.0, 16.0]
    assert np.isnan(rows["slope"][0])
    assert rows["slope"].tolist()[1:] == [2.0, 2.0]


def test_work_of_another_size_is_no_measurement(monkeypatch):
    part = quadratic(monkeypatch, done=lambda size: size - 1)
    with pytest.raises(RuntimeError, match="squares: 0 images in place of 1"):
        list(measure(part, part.sizes, 20.0))


def test_the_command_writes_the_table_and_the_plot(tmp_path):
    result = CliRunner().invoke(app, ["--only", "x"])
    assert "near-duplicate search" in result.output
    table = pd.DataFrame({"part": "a", "size": [1, 2], "unit": "images", "cpu_s": [1.0, 2.0], "slope": [None, 1.0]})
    _draw(table, tmp_path / "growth.png")
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")
