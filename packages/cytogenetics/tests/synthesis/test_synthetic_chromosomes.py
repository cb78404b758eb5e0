"""The embedded default of chromosomes: deterministic, with the arms, bands and karyotypes it says."""

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cytogenetics.config.sources import SyntheticChromosomesConfig
from cytogenetics.karyotypes.naming import name_karyotype
from cytogenetics.synthesis.metaphase import read_metaphase
from cytogenetics.synthesis.synthetic_chromosomes import draw_picture, labels_of
from datamodules.io.decode import read_image
from karyocyte.common.karyotype import CHROMOSOMES
from tests.helpers.sources import scan

SMALL = SyntheticChromosomesConfig(source="synthetic_chromosomes", cells=4, cases=3, abnormal=0.3)


def test_cells_go_round_the_cases(tmp_path):
    manifest = scan(SMALL, None, tmp_path, progress=False)
    frame = manifest.frame
    assert frame["sha256"].nunique() == len(frame)
    assert frame.groupby("cell")["subject"].nunique().max() == 1
    assert frame.groupby("subject")["cell"].nunique().to_list() == [2, 1, 1]
    read = [read_metaphase(manifest, rows.index) for _, rows in frame.groupby("cell", sort=False)]
    assert [cell.name for cell in read] == ["case_001.1", "case_002.1", "case_003.1", "case_001.2"]
    assert [cell.karyotype.iscn for cell in read[:2]] == ["46,XX", "46,XY"]
    assert read[2].karyotype.kind == "trisomy"


def test_every_picture_is_a_pure_function_of_settings_cell_and_chromosome(tmp_path):
    manifest = scan(SMALL, None, tmp_path, progress=False)
    for row in (140, 0, 50):
        name, cells = manifest.frame["cell"][row], list(manifest.frame["cell"].unique())
        cell, number = cells.index(name), int((manifest.frame["cell"][:row] == name).sum())
        assert np.array_equal(read_image(manifest.file(row))[..., 0], draw_picture(SMALL, cell, number))
    more = SMALL.model_copy(update={"cells": 300})
    assert np.array_equal(draw_picture(more, 2, 7), draw_picture(SMALL, 2, 7))
    assert not np.array_equal(draw_picture(SMALL.model_copy(update={"seed": 1}), 2, 7), draw_picture(SMALL, 2, 7))
    assert not np.array_equal(draw_picture(SMALL, 2, 6), draw_picture(SMALL, 2, 7))


@given(cases=st.integers(3, 60), abnormal=st.floats(0.0, 1.0), seed=st.integers(0, 5), extra=st.integers(0, 40))
@settings(max_examples=60)
def test_the_share_of_abnormal_cases_is_the_one_asked_for(cases, abnormal, seed, extra):
    update = {"cells": cases + extra, "cases": cases, "abnormal": abnormal, "seed": seed}
    data = SMALL.model_copy(update=update)
    by_case: dict[int, set[tuple[str, ...]]] = {}
    for cell in range(data.cells):
        by_case.setdefault(cell % cases, set()).add(labels_of(data, cell))
    assert all(len(found) == 1 for found in by_case.values())
    labels = [name_karyotype(Counter(found.pop())).label for found in by_case.values()]
    assert None not in labels
    assert -1e-4 <= labels.count("abnormal") - abnormal * cases < 1
    assert {name for cell in range(data.cells) for name in labels_of(data, cell)} == set(CHROMOSOMES)
