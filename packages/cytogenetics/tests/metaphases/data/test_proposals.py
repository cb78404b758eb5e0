"""The proposals that a refiner is trained on: their images, what is true of them, and how they are made."""

import cv2
import numpy as np
import pytest
import torch

from cytogenetics.images.boxes import overlaps
from cytogenetics.metaphases.data.proposals import (
    SIDE,
    ProposalDataModule,
    Proposals,
    _instructive,
    _turned,
    aims_of,
    proposal_images,
    training_boxes,
)
from cytogenetics.metaphases.networks.refiner import UNIT, moved_boxes
from karyocyte.composition.compose import check_config
from tests.helpers.training import composed

TRUE = np.array([[20, 20, 60, 40], [50, 30, 90, 110], [120, 80, 140, 140]], np.float32)


def test_an_image_shows_the_box_in_its_middle_and_the_other_boxes_apart():
    picture = np.zeros((160, 200), np.uint8)
    picture[30:110, 50:90] = 200
    shown = proposal_images(picture, TRUE, np.array([1]))
    (image,) = shown.images
    assert shown.sides == pytest.approx([120])
    assert shown.sizes == pytest.approx([np.log(80 / 60)])
    assert cv2.boundingRect(image[1]) == pytest.approx([27, 13, 27, 53], abs=1)  # of 40 x 80 pixels, two thirds
    assert image[0][image[1] > 0].mean() > 190
    assert image[0][image[1] == 0].mean() < 10
    left, top, width, height = cv2.boundingRect(image[2])  # of the first box what is near the second, and the third
    assert (left, top, left + width) == (7, 7, SIDE)
    assert set(np.unique(image[2])) == {0, 85}


def test_moving_a_box_by_its_offsets_gives_the_true_box():
    found = TRUE + np.float32([[4, -2, 0, 6]])
    shown = proposal_images(np.zeros((160, 200), np.uint8), found, np.arange(3))
    offsets = (TRUE - found) / (shown.sides[:, None] * UNIT)
    assert moved_boxes(found, offsets, shown.sides) == pytest.approx(TRUE, abs=1e-4)


def test_one_proposal_is_the_best_of_each_chromosome_that_is_found():
    found = np.concatenate([TRUE[:2] + np.float32([4, 0, 4, 0]), TRUE[1:2], [[0, 0, 10, 10]]])
    best, overlap, nearest = aims_of(found, TRUE)
    assert best.tolist() == [True, False, True, False]
    assert overlap == pytest.approx(overlaps(found, TRUE).max(axis=1))
    assert nearest[:3].tolist() == TRUE[[0, 1, 1]].tolist()


def test_training_boxes_are_near_the_true_ones_but_those_that_are_wrong_on_purpose():
    found = [(TRUE, np.ones(3, np.float32))]
    wrong_overlaps, right_overlaps = [], []
    for seed in range(60):
        boxes, wrong = training_boxes(found, TRUE, np.random.default_rng(seed))
        assert np.all(boxes[:, 2:] > boxes[:, :2])
        most = overlaps(boxes, TRUE).max(axis=1)
        wrong_overlaps += most[wrong].tolist()
        right_overlaps += most[~wrong].tolist()
    assert np.mean(right_overlaps) > 0.8
    assert len(wrong_overlaps) > 10
    assert np.mean(wrong_overlaps) < 0.6


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    words = ["data=synthetic_metaphases", "data.cells=5", "data.cases=5", "data.abnormal=0"]
    folder = tmp_path_factory.mktemp("proposals")
    keys = ["split.folds=5", "split.near_duplicates=off", "split.validation=0.2", "loader.batch_size=2"]
    config = check_config(composed([*words, *keys, f"cache_dir={folder}"], "refiner"))
    module = ProposalDataModule(config, progress=False)
    boxes = module.manifest.frame["boxes"]
    module.proposals = {row: [(true, np.full(len(true), 0.9, np.float32))] * 2 for row, true in enumerate(boxes)}
    return module


def batch_of(data, epoch):
    data._position = lambda: (epoch, 0)
    return next(iter(data.train_dataloader()))


def test_training_proposals_are_drawn_anew_in_each_epoch(data):
    first, again, later = (batch_of(data, epoch) for epoch in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert first["image"].shape != later["image"].shape or not torch.equal(first["image"], later["image"])
    assert first["image"].shape[1:] == (3, SIDE, SIDE)
    assert 0 < float(first["best"].mean()) < 1


def test_proposals_can_be_the_same_in_each_epoch(data):
    light = data.config.transform.model_copy(update={"each_epoch": False})
    first, later = (Proposals(data, data.plan.rows, light).__getitems__([(epoch, 0)]) for epoch in (0, 1))
    assert all(torch.equal(first[name], later[name]) for name in first)


def test_offsets_are_turned_with_their_image(data):
    batch = batch_of(data, 0)
    columns = zip(*(batch[name].numpy() for name in ("image", "offsets", "box", "side", "index")), strict=True)
    for image, offsets, box, side, index in columns:
        true = np.asarray(data.manifest.frame["boxes"].iloc[index], float)
        nearest = true[overlaps(box[None], true)[0].argmax()]
        left, top, width, height = cv2.boundingRect((image[1] > 0.5).astype(np.uint8))
        moved = np.array([left, top, left + width, top + height]) + offsets * SIDE * UNIT
        # Width and height may have been exchanged.
        assert sorted(moved[2:] - moved[:2]) == pytest.approx(sorted((nearest[2:] - nearest[:2]) * SIDE / side), abs=2)


def test_eight_turns_show_a_proposal_in_eight_orientations_and_its_offsets_with_it():
    image = np.zeros((3, SIDE, SIDE), np.uint8)
    box = np.array([20, 12, 40, 60])  # in no symmetric place
    image[1, box[1] : box[3], box[0] : box[2]] = 255
    offsets = np.array([4, -8, 12, 2]) / (SIDE * UNIT)  # of its true box
    seen = set()
    for turn in range(8):
        turned, moved = _turned(image, offsets, turn)
        left, top, width, height = cv2.boundingRect(np.ascontiguousarray(turned[1]))
        true = np.rint(np.array([left, top, left + width, top + height]) + moved * SIDE * UNIT).astype(int)
        marked = np.zeros_like(image)
        marked[1, 4:62, 24:52] = 255
        again, _ = _turned(marked, offsets, turn)
        left, top, width, height = cv2.boundingRect(np.ascontiguousarray(again[1]))
        assert true.tolist() == [left, top, left + width, top + height]
        seen.add(turned.tobytes())
    assert len(seen) == 8


def test_a_box_is_instructive_that_overlaps_another_one_or_fits_badly():
    alone, moved, wide = TRUE[2:], TRUE[2:] + np.float32([8, 0, 8, 0]), np.float32([[45, 25, 95, 115]])
    assert _instructive(alone, TRUE).tolist() == [False]
    assert _instructive(moved, TRUE).tolist() == [True]
    assert _instructive(np.concatenate([alone, TRUE[1:2]]), TRUE).tolist() == [False, False]
    assert _instructive(np.concatenate([alone, TRUE[1:2], wide]), TRUE).tolist() == [False, True, True]


def test_validation_proposals_are_what_the_detectors_find(data):
    batch = next(iter(data.val_dataloader()))
    boxes = np.concatenate([data.proposals[row][0][0] for row in dict.fromkeys(batch["index"].tolist())])
    assert batch["box"].numpy() == pytest.approx(boxes)
    assert batch["best"].min() == 1
    assert batch["offsets"].abs().max() == 0
