"""Chromosomes cut out of composed pictures, whose true outlines are known."""

import numpy as np

from cytogenetics.metaphases.data.cut_out import SIDE, crop_boxes, cut_out, cut_out_by, network_picture
from packages.cytogenetics.tests.metaphases.data.sets import agreements, placed


def gray(drawn):
    return network_picture(np.repeat(drawn.pixels[..., None], 3, axis=2), 1.0)


def test_the_masks_are_near_the_true_ones_and_share_no_pixel(drawn):
    boxes = np.array([one.box for one in drawn.chromosomes])
    cuts = cut_out(gray(drawn), boxes)
    assert np.mean(agreements(drawn, cuts)) > 0.6
    assert np.sum([placed(drawn, cut.mask, cut.corner) for cut in cuts], axis=0).max() == 1


def test_a_cut_out_is_dark_on_white_and_its_outline_lies_in_its_box(drawn):
    boxes = np.array([one.box for one in drawn.chromosomes])
    for one, (left, top, right, bottom) in zip(cut_out(gray(drawn), boxes), boxes, strict=True):
        assert one.pixels.dtype == np.uint8
        assert (one.pixels[~one.mask] == 255).all()
        assert one.pixels[one.mask].mean() < 220
        x, y = one.outline.T
        assert left - 1 <= x.min() <= x.max() <= right + 1
        assert top - 1 <= y.min() <= y.max() <= bottom + 1


def test_a_box_of_ground_alone_is_empty(drawn):
    box = np.array([[1, 1, 9, 9]], np.float32)
    (empty,) = cut_out(gray(drawn), box)
    assert not empty.mask.any()
    assert len(empty.outline) == 0


def test_a_network_that_knows_the_masks_cuts_crossing_chromosomes_out_whole(drawn):
    boxes = np.array([one.box for one in drawn.chromosomes])
    crops = crop_boxes(gray(drawn), boxes)
    masks = [one.mask for one in drawn.chromosomes]
    known = crops.masks(masks, [one.corner for one in drawn.chromosomes])
    assert crops.images.shape == (len(boxes), 3, SIDE, SIDE)
    assert crops.images[:, 0][known > 0].mean() > 2 * crops.images[:, 0][known == 0].mean()
    overlap = agreements(drawn, cut_out_by(lambda _: known.astype(np.float32), gray(drawn), boxes))
    assert np.min(overlap) > 0.7
    assert np.mean(overlap) > 0.85


def test_a_box_at_the_edge_and_a_picture_without_boxes_can_be_cut(drawn):
    height, width = drawn.pixels.shape
    box = np.array([[width - 30, height - 20, width, height]], np.float32)
    (cut,) = cut_out_by(lambda _: np.ones((1, SIDE, SIDE), np.float32), gray(drawn), box)
    assert cut.mask.any()
    assert cut_out_by(lambda images: images[:, 0], gray(drawn), np.zeros((0, 4), np.float32)) == []
