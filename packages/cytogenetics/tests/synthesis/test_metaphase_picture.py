"""Composed metaphases: light falls through all that lie there, and boxes and masks are where they should be."""

import numpy as np
import pytest

from cytogenetics.config.sources import SyntheticMetaphasesConfig
from cytogenetics.metaphases.sources.synthetic_metaphases import draw_metaphase
from cytogenetics.synthesis.metaphase import GROUND, Chromosome
from cytogenetics.synthesis.metaphase_picture import compose_metaphase

DRAWN = SyntheticMetaphasesConfig(source="synthetic_metaphases", cells=12, cases=12)


def bar(label="1", width=16, height=80, level=150):
    """A bar whose upper quarter is darker."""
    pixels = np.full((height, width), level, np.uint8)
    pixels[: height // 4] = level // 2
    return Chromosome(label, pixels, np.ones(pixels.shape, bool), label)


def median(picture, chromosome):
    x, y = chromosome.corner
    height, width = chromosome.mask.shape
    return np.median(picture.pixels[y : y + height, x : x + width][chromosome.mask])


@pytest.fixture(scope="module")
def drawn():
    return [draw_metaphase(DRAWN, cell) for cell in range(12)]


def test_transmissions_multiply_where_chromosomes_cross():
    upright, lying = np.float32([[100, 60, 124, 148]]), np.float32([[68, 92, 156, 116]])
    rng = np.random.default_rng(0)
    picture = compose_metaphase([bar(), bar("2")], rng, boxes=np.concatenate([upright, lying]))
    ground = np.percentile(picture.pixels, 95)
    alone = picture.pixels[108:112, 142:148].mean() / ground
    crossing = picture.pixels[102:106, 110:114].mean() / ground
    assert crossing == pytest.approx(alone**2, abs=0.04)


def test_masks_and_boxes_are_where_the_chromosomes_are(drawn):
    for picture in drawn[:4]:
        height, width = picture.pixels.shape
        ground = np.median(picture.pixels)
        for one in picture.chromosomes:
            x, y = one.corner
            left, top, right, bottom = one.box
            assert 0 <= left <= x + 0.01
            assert 0 <= top <= y + 0.01
            assert x + one.mask.shape[1] - 0.01 <= right <= width
            assert y + one.mask.shape[0] - 0.01 <= bottom <= height
            assert median(picture, one) < 0.85 * ground


def test_a_chromosome_is_turned_into_its_box_at_its_scale():
    boxes = np.float32([[50, 50, 218, 90], [300, 40, 340, 208]])
    picture = compose_metaphase([bar(), bar("2")], np.random.default_rng(0), scale=2.0, boxes=boxes)
    for one, given in zip(picture.chromosomes, boxes, strict=True):
        assert np.abs(one.box - given).max() < 16
        assert one.mask.sum() == pytest.approx(16 * 80 * 2.0**2, rel=0.05)
    assert [one.mask.shape[0] < one.mask.shape[1] for one in picture.chromosomes] == [True, False]
    pictures = [compose_metaphase([bar()], np.random.default_rng(seed), boxes=boxes[:1]) for seed in range(12)]
    left = [picture.pixels[60:80, 80:110].mean() < picture.pixels[60:80, 160:190].mean() for picture in pictures]
    assert {*left} == {True, False}  # either arm may be on the left


def test_a_gray_ground_that_was_cut_out_with_a_chromosome_is_not_seen():
    pixels = np.full((90, 40), 230, np.uint8)
    pixels[5:-5, 5:-5] = 115
    picture = compose_metaphase([Chromosome("1", pixels, np.ones(pixels.shape, bool), "")], np.random.default_rng(1))
    (one,) = picture.chromosomes
    x, y = one.corner
    height, width = one.mask.shape
    region = picture.pixels[y : y + height, x : x + width][one.mask]
    assert np.percentile(region, 90) == pytest.approx(np.median(picture.pixels), abs=8)
    assert np.median(region) == pytest.approx(np.median(picture.pixels) / 2, abs=12)


def test_chromosomes_touch_and_overlap_about_as_often_as_real_ones(drawn):
    largest = []
    for picture in drawn:
        boxes = np.array([one.box for one in picture.chromosomes])
        low = np.maximum(boxes[:, None, :2], boxes[:, :2])
        shared = (np.minimum(boxes[:, None, 2:], boxes[:, 2:]) - low).clip(0).prod(axis=2)
        areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
        overlaps = shared / (areas[:, None] + areas - shared)
        np.fill_diagonal(overlaps, 0)
        largest.append(overlaps.max(axis=1))
    shares = [(np.concatenate(largest) > limit).mean() for limit in (0, 0.3, 0.5)]
    assert np.allclose(shares, [0.91, 0.145, 0.021], atol=[0.05, 0.05, 0.02])


def test_a_picture_is_light_and_a_function_of_settings_and_cell(drawn):
    assert np.array_equal(draw_metaphase(DRAWN, 3).pixels, drawn[3].pixels)
    assert not np.array_equal(draw_metaphase(DRAWN.model_copy(update={"seed": 1}), 3).pixels, drawn[3].pixels)
    for picture in drawn:
        assert GROUND - 40 < np.median(picture.pixels) <= GROUND
        assert [one.label for one in picture.chromosomes][:4] == ["1", "1", "2", "2"]
