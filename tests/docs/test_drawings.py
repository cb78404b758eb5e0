"""The pictures of docs/explanation/ show what their pages say."""

import numpy as np
import pytest
from PIL import Image

from common.karyotype import CHROMOSOMES
from docs.drawings import assignment, intervals, stages
from docs.drawings.assignment import CELLS, SHOWN
from docs.drawings.stages import HEAD, PARTS


@pytest.mark.parametrize("module", [assignment, intervals, stages], ids=lambda module: module.__name__)
def test_a_picture_is_drawn_and_small(module, tmp_path, monkeypatch):
    monkeypatch.setattr(intervals, "STUDIES", 3)
    module.draw(tmp_path / "picture.png")
    assert Image.open(tmp_path / "picture.png").width > 800
    assert (tmp_path / "picture.png").stat().st_size < 150_000


@pytest.mark.parametrize(("cell", "iscn", "changed"), [(CELLS[0], "46,XY", [2]), (CELLS[1], "47,XY,+21", [])])
def test_one_doubtful_chromosome_changes_its_class(cell, iscn, changed):
    alone = np.array(cell.shown).argmax(axis=1)
    jointly = cell.assigned
    assert [row for row, kind in enumerate(alone) if SHOWN[kind] != jointly[row]] == changed
    assert cell.karyotype.karyotype.iscn == iscn
    assert len(cell.log_probabilities) == int(iscn[:2])
    assert set(jointly) <= set(CHROMOSOMES)


def test_a_stage_trains_the_head_and_one_block_more_than_the_one_before():
    trained = [[part for part in [*PARTS, HEAD] if stage.trains(part)] for stage in stages.courses()]
    assert trained == [[HEAD], ["block 4", HEAD], ["block 3", "block 4", HEAD], ["block 2", "block 3", "block 4", HEAD]]
