"""Batches of metaphases: boxes go with the pictures, and an epoch is a function of seed and number."""

import cv2
import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from cytogenetics.metaphases.data.augmentation import BoxAugmentation
from cytogenetics.metaphases.data.cut_out import network_picture
from cytogenetics.metaphases.data.data_module import MetaphaseDataModule
from karyocyte.config.data import TransformConfig
from karyocyte.config.defaults import composition
from packages.cytogenetics.tests.metaphases.data.sets import write_metaphases, write_voc

NAMES = [f"10500{case}{picture}" for case in range(1, 10) for picture in (1, 2)]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_metaphases(tmp_path_factory.mktemp("set"), NAMES, lists={})


def module(root, **keys):
    keys = {"batch_size": 4, "split": {"folds": 3, "drawn_validation": "fold"}, **keys}
    data = MetaphaseDataModule(data_dir=str(root), cache_dir=str(root / ".cache"), progress=False, **keys)
    data.setup()
    return data


def batches(data, epoch=0, first=0):
    data._position = lambda: (epoch, first)
    return list(data.train_dataloader())


def by_row(found):
    rows = {}
    for batch in found:
        for number, row in enumerate(batch["index"].tolist()):
            rows[row] = [batch[name][number] for name in ("image", "boxes", "labels")]
    return rows


def equal(one, other):
    pairs = (pair for row in one for pair in zip(one[row], other[row], strict=True))
    return one.keys() == other.keys() and all(torch.equal(left, right) for left, right in pairs)


def test_a_batch_has_padded_pictures_and_boxes_in_their_pixels(root):
    data = module(root)
    batch = next(iter(data.val_dataloader()))
    assert batch["image"].dtype == torch.float32
    assert batch["image"].shape == (4, 1, 32, 32)  # 64 x 48 at half size, padded
    assert batch["image"][:, :, 24:].max() == 0
    assert 0.4 < float(batch["image"].max()) <= 1
    for boxes, labels, row in zip(batch["boxes"], batch["labels"], batch["index"].tolist(), strict=True):
        assert data.parts[row] == "validation"
        assert boxes.tolist() == [[1, 1.5, 15, 10], [10, 5, 20, 20]]
        assert (labels.dtype, labels.tolist()) == (torch.int64, [0, 22])


def test_no_case_is_in_two_parts_and_cases_that_share_a_picture_are_one(root, tmp_path):
    data = module(root)
    assert data.manifest.frame.groupby("subject").apply(lambda rows: data.parts[rows.index].nunique()).max() == 1
    assert data.leaks.counts() == {"subjects": 0, "identical_pairs": 0, "same_cell_pairs": 0, "near_pairs": 0}
    copies = write_metaphases(tmp_path / "copies", NAMES, lists={})
    pictures = copies / "24_chromosomes_object" / "JEPG"
    (pictures / f"{NAMES[-1]}.jpg").write_bytes((pictures / f"{NAMES[0]}.jpg").read_bytes())
    cases = data.manifest.frame["subject"].nunique()
    data = module(copies)
    table = data.manifest.frame.assign(part=data.parts).set_index("image_id")
    assert table["subject"].nunique() == cases - 1
    assert table["subject"][NAMES[0]] == table["subject"][NAMES[-2]]
    assert table["part"][NAMES[-1]] == "unused"


def test_an_epoch_depends_on_its_number_alone_and_can_be_resumed(root):
    first, second = batches(module(root)), batches(module(root), epoch=1)
    assert equal(by_row(first), by_row(batches(module(root, loader={"workers": 2, "batch_size": 4}))))
    assert not equal(by_row(first), by_row(second))
    assert equal(by_row(second[1:]), by_row(batches(module(root), epoch=1, first=1)))
    assert not equal(by_row(first), by_row(batches(module(root, seed=1))))
    transform = OmegaConf.to_container(composition(primary="detector").transform)
    once = {"transform": transform | {"each_epoch": False}}
    assert equal(by_row(batches(module(root, **once))), by_row(batches(module(root, **once), epoch=1)))


def test_the_hash_of_the_content_covers_the_boxes(root, tmp_path):
    other = write_metaphases(tmp_path / "other", NAMES, lists={})
    assert module(other).content_hash() == module(root).content_hash()
    write_voc(other / "24_chromosomes_object" / "annotations" / f"{NAMES[0]}.xml", [("X", (1, 2, 30, 40))])
    assert module(other).content_hash() != module(root).content_hash()


def bright_bars(rng):
    """Bars on black, apart, with their boxes."""
    image = np.zeros((160, 240), np.uint8)
    boxes = []
    for number in range(6):
        x, y = 20 + 70 * (number % 3), 20 + 70 * (number // 3)
        width, height = rng.integers(14, 40, 2).tolist()
        image[y : y + height, x : x + width] = 120 + 20 * number
        boxes.append([x, y, x + width, y + height])
    return image, np.float32(boxes), np.arange(6)


@pytest.mark.parametrize("keys", [
    {"flips": True, "probability": 1.0},
    {"rotations": True, "probability": 1.0},
    {"flips": True, "rotations": True, "probability": 1.0},
    {"rotate": 8.0, "stretch": 0.2},
    {"brightness": 0.2, "gamma": 0.2, "blur": 1.0, "noise": 0.01},
])  # fmt: skip
def test_a_box_still_holds_its_chromosome_after_a_transform(keys):
    config = TransformConfig(**{**composition("transform=none", primary="detector").transform, **keys})
    changed = 0
    image, boxes, labels = bright_bars(np.random.default_rng(0))
    for row in range(8):
        picture, moved, kept = BoxAugmentation(config, 0, 1.0)(image, boxes, labels, 0, row)
        changed += not np.array_equal(picture, image)
        for (left, top, right, bottom), label in zip(np.rint(moved).astype(int), kept, strict=True):
            inside = picture[top:bottom, left:right]
            level = 120 + 20 * label
            assert abs(np.median(inside[inside > 60]) / level - 1) < 0.5
            _, _, facts, _ = cv2.connectedComponentsWithStats((cv2.medianBlur(picture, 3) > 60).astype(np.uint8))
            middles = facts[1:, :2] + facts[1:, 2:4] / 2
            held = (middles > (left, top)).all(1) & (middles < (right, bottom)).all(1)
            assert held.sum() == 1
            assert np.all(np.array([right - left, bottom - top]) >= facts[1:, 2:4][held][0] - 3)
    assert changed


def test_the_box_of_a_turned_chromosome_fits_its_outline():
    keys = {"flips": True, "rotations": True, "probability": 1.0, "rotate": 45.0}
    config = TransformConfig(**{**composition("transform=none", primary="detector").transform, **keys})
    image = np.zeros((200, 220), np.uint8)
    cv2.ellipse(image, (110, 100), (50, 8), 45, 0, 360, 200, cv2.FILLED)  # from corner to corner of its box
    x, y, width, height = cv2.boundingRect(image)
    margin = np.array([-3, -3, 3, 3])
    for row in range(20):
        box = np.float32([[x, y, x + width, y + height]]) + np.float32(margin)
        picture, (moved,), _ = BoxAugmentation(config, 0, 1.0)(image, box, np.zeros(1, np.int64), 0, row)
        x_now, y_now, width_now, height_now = cv2.boundingRect((picture > 100).astype(np.uint8))
        fitting = np.array([x_now, y_now, x_now + width_now, y_now + height_now]) + margin
        assert np.abs(moved - fitting).max() < 3.5


def test_boxes_are_scaled_as_exactly_as_pictures():
    image = np.full((301, 403, 3), 255, np.uint8)
    image[200:260, 300:380] = 0
    for scale in (0.5, 0.7, 1.5):
        y, x = np.nonzero(network_picture(image, scale) > 128)
        found = [x.min(), y.min(), x.max() + 1, y.max() + 1]
        assert np.abs(np.array(found) - np.array([300, 200, 380, 260]) * scale).max() <= 0.75
