"""Single chromosomes are paired with normal ones of other cells, and laid beside them at a comparable length."""

import numpy as np
import pandas as pd
import pytest
import torch

from common.errors import UserError
from common.karyotype import CHROMOSOMES
from datamodules.homologues.bank import BankPairs, choose_bank, load_by_width, side_by_side
from datamodules.homologues.pairs import TOKEN
from datamodules.homologues.segments import Segments
from tests.datamodules.homologues.drawn_strips import HEIGHT, strips_of
from tests.helpers.chromosomes import bar
from tests.helpers.images import write_image
from tests.helpers.training import small_config


def frame_of(subjects: int, of_each: int) -> pd.DataFrame:
    rows = [{"label": name, "subject": subject} for subject in range(subjects) for name in CHROMOSOMES * of_each]
    return pd.DataFrame(rows)


def test_a_bank_has_so_many_of_each_class_of_different_subjects():
    frame = frame_of(subjects=6, of_each=4)
    chosen = frame.iloc[choose_bank(frame, 5, seed=0)]
    assert (chosen.groupby("label").size() == 5).all()
    assert (chosen.groupby("label")["subject"].nunique() == 5).all()
    assert np.array_equal(choose_bank(frame, 5, seed=0), choose_bank(frame, 5, seed=0))
    assert not np.array_equal(choose_bank(frame, 5, seed=0), choose_bank(frame, 5, seed=1))


def test_with_fewer_subjects_they_are_taken_in_turn():
    frame = frame_of(subjects=2, of_each=4)
    chosen = frame.iloc[choose_bank(frame, 4, seed=0)]
    assert (chosen.groupby(["label", "subject"]).size() == 2).all()


def test_a_class_that_is_missing_is_named():
    frame = frame_of(subjects=2, of_each=1)
    with pytest.raises(UserError, match="no chromosome 7"):
        choose_bank(frame[frame["label"] != "7"], 2, seed=0)


def test_each_is_paired_with_its_class_and_one_of_unknown_class_with_all():
    bank = list(CHROMOSOMES) * 4
    pairs = BankPairs.of(["X", None], bank)
    of_known = pairs.partner[pairs.item == 0] - 2
    assert [bank[position] for position in of_known] == ["X"] * 4
    of_unknown = pairs.chromosome[pairs.item == 1]
    assert np.bincount(of_unknown).tolist() == [3] * 24
    within = BankPairs.within(bank, offset=2)
    assert (within.item != within.partner).all()
    assert (np.bincount(within.chromosome) == 4 * 3).all()


def test_a_partner_is_stretched_towards_the_length_by_the_limit_at_most():
    strips = strips_of([100, 100, 110, 140])
    first = Segments.whole(strips, torch.tensor([0, 0, 0]))
    second = Segments.whole(strips, torch.tensor([1, 2, 3]))
    image = side_by_side(strips, first, second, stretch=0.2).image
    rows = (image.amax(3) > 0.003).sum(2)
    assert rows[:, 0].tolist() == pytest.approx([100] * 3, abs=1)  # the darkest row is darker between two
    assert rows[:, 1].tolist() == pytest.approx([100, 100, 140 / 1.2], abs=2)
    assert torch.allclose(image[0, 0], image[0, 1], atol=1e-4)
    plain = side_by_side(strips, first, second, stretch=0.0).image
    assert (plain[:, 1].amax(2) > 0.003).sum(1).tolist() == pytest.approx([100, 110, 140], abs=2)


def test_what_is_too_long_is_reduced_with_its_partner():
    strips = strips_of([160, 120])
    laid = side_by_side(strips, *(Segments.whole(strips, torch.tensor([n])) for n in (0, 1)), stretch=0.0)
    rows = (laid.image.amax(3) > 0.003).sum(2)[0]
    assert rows[0] <= HEIGHT - 2
    assert int(rows[1]) / int(rows[0]) == pytest.approx(0.75, abs=0.02)


def test_places_are_told_along_the_first_chromosome():
    strips = strips_of([80, 120])
    laid = side_by_side(strips, *(Segments.whole(strips, torch.tensor([n])) for n in (0, 1)), stretch=0.0)
    tokens = torch.arange(HEIGHT // TOKEN).float()[None]
    along = laid.along_first(tokens, 4)[0]
    # Rows 40 to 120 of the image, the middles of its quarters, as tokens.
    assert along.tolist() == pytest.approx([12, 17, 22, 27], abs=0.6)


def test_files_are_scaled_by_their_widths(tmp_path):
    files = [tmp_path / "small.png", tmp_path / "large.png"]
    for file, scale in zip(files, (1.0, 2.0), strict=True):
        write_image(file, bar(1, scale=scale))
    prepare = small_config(tmp_path, "prepare.size=[96,48]", experiment="homologue_pairs").prepare
    strips = load_by_width(files, ["1", None], prepare, 24)
    assert float(strips.length[0]) == pytest.approx(float(strips.length[1]), rel=0.1)
    with pytest.raises(UserError, match="gone.png"):
        load_by_width([tmp_path / "gone.png"], [None], prepare, 24)
