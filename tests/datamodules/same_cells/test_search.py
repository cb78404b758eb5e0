"""A cell that was photographed again is found under another name, and different cells are not taken for one."""

import cv2
import numpy as np
import pandas as pd
import pytest

from datamodules import CNMCDataModule
from datamodules.io.decode import read_image
from datamodules.manifest.same_cells import SameCells
from datamodules.same_cells.candidates import candidates
from datamodules.same_cells.pictures import Pictures, centred
from datamodules.same_cells.search import ALTERATIONS, registered
from datamodules.synthesis.cells import CellTraits, draw_cell
from karyocyte.commands.same_cells import same_cells
from karyocyte.common.errors import UserError
from tests.helpers.images import write_image

CELLS = 142  # 10,011 pairs
TRAITS = CellTraits(0.4, 1.1, 0.85, 0.06, 0.2, 0.6, 0.5, 2, 0.3, 1.0, 0.0, 1.0, 0.008)


@pytest.fixture(scope="module")
def drawn():
    """Different cells, drawn by a program."""
    images = [draw_cell(TRAITS, 160, np.random.default_rng(seed)) for seed in range(CELLS)]
    return Pictures(*map(np.array, zip(*(centred(image, 0.9) for image in images), strict=True)))


def test_no_pair_of_10000_different_cells_is_taken_for_one(drawn):
    found = registered(drawn, candidates(drawn, 2))
    assert len(found) > CELLS
    assert not found["same"].any()


# Most of the pictures that were cut are not among the nearest: results/cnmc/same_cells_search.csv.
@pytest.mark.parametrize(("name", "least"), zip(ALTERATIONS, (14, 14, 5), strict=True))
def test_a_cell_in_another_focus_turn_and_crop_is_found_among_all_others(drawn, name, least):
    random = np.random.default_rng(1)
    copies = [ALTERATIONS[name](drawn.green[row], drawn.content[row], random) for row in range(20)]
    both = drawn.with_others(Pictures(*map(np.array, zip(*copies, strict=True))))
    found = registered(both, candidates(both, 3, first=CELLS))
    same = found[found["same"]]
    right = same[same["right"] == same["left"] + CELLS]
    assert len(right) >= least
    assert len(right) == len(same[same["left"] < CELLS])


def photographed_again(image):
    """A picture of the same cell: turned by five degrees, moved, in another focus and exposure, cut out anew."""
    height, width = image.shape[:2]
    onto = cv2.getRotationMatrix2D((width / 2, height / 2), 5, 1.0)
    onto[:, 2] += (3, -4)
    again = cv2.GaussianBlur(cv2.warpAffine(image, onto, (width, height)), (0, 0), 0.8)
    again = np.clip(again * 0.9, 0, 255).astype(np.uint8)
    again[cv2.erode((again.max(axis=2) > 20).astype(np.uint8), np.ones((5, 5))) == 0] = 0
    return again


def write_cells(root):
    """Three folds of four subjects of each class, with three cells each; H12 shows two cells of H1 again."""
    seed = 0
    for fold in range(3):
        for label, prefix in (("all", ""), ("hem", "H")):
            for subject in range(4 * fold + 1, 4 * fold + 5):
                for number in range(3):
                    seed += 1
                    image = draw_cell(TRAITS, 120, np.random.default_rng(seed))
                    name = f"UID_{prefix}{subject}_{number}_1_{label}.png"
                    write_image(root / "C-NMC_training_data" / f"fold_{fold}" / label / name, image)
    training = root / "C-NMC_training_data"
    for number in range(2):
        source = training / "fold_0" / "hem" / f"UID_H1_{number}_1_hem.png"
        target = training / "fold_2" / "hem" / f"UID_H12_{number}_1_hem.png"
        write_image(target, photographed_again(read_image(source)))
    return root


def test_what_stops_a_training_says_how_to_link_the_subjects_and_that_works(tmp_path):
    keys = {"data_dir": str(write_cells(tmp_path / "cells")), "cache_dir": str(tmp_path / "cache"), "progress": False}
    with pytest.raises(UserError, match=r"same cell across parts: .*UID_H1_.*--output found.*same_cells=found"):
        CNMCDataModule(**keys).setup()
    found = tmp_path / "found"
    words = ["data=cnmc", f"data_dir={keys['data_dir']}", f"cache_dir={keys['cache_dir']}"]
    same_cells(words, found)
    assert set(SameCells.read(found / "same_cells.csv").table["subject_right"]) == {"H12"}
    assert (found / "H1_H12.png").is_file()
    assert pd.read_csv(found / "correlations.csv")["two_classes"].sum() > 0
    linked = CNMCDataModule(**keys, same_cells=str(found / "same_cells.csv"))
    linked.setup()
    assert [person.subjects for person in linked.manifest.persons] == [("H1", "H12")]
    table = pd.read_csv(found / "same_cells.csv").assign(seen="other")
    table.to_csv(found / "apart.csv", index=False)
    CNMCDataModule(**keys, same_cells=str(found / "apart.csv")).setup()
    reported = CNMCDataModule(**keys, split={"near_duplicates": "report"})
    reported.setup()
    assert reported.leaks.counts()["near_pairs"] >= 1
