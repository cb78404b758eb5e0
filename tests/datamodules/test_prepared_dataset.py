"""Batches of prepared images are the images one by one, whatever the batch."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from datamodules.prepared_dataset import PreparedDataset
from datamodules.transforms.augmentation import Augmentation
from karyocyte.config.data import TransformConfig

IMAGES = np.random.default_rng(0).integers(0, 256, (9, 16, 16, 3), np.uint8)
LABELS = np.arange(9) % 3
ROWS = np.array([8, 2, 2, 5, 0])
COPIES = np.array([0, 0, 1, 0, 0])
TURNED = TransformConfig(flips=True, rotations=True, probability=0.8)


def dataset() -> PreparedDataset:
    return PreparedDataset(IMAGES, ROWS, LABELS, COPIES, Augmentation(TURNED, 7))


@given(keys=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), min_size=1, max_size=7))
def test_a_batch_is_its_items(keys):
    data = dataset()
    image, label, row = data.__getitems__(keys)
    augmentation = Augmentation(TURNED, 7)
    for place, (epoch, item) in enumerate(keys):
        expected = augmentation(IMAGES[ROWS[item]], epoch, int(ROWS[item]), int(COPIES[item]))
        assert np.array_equal(image[place].numpy(), expected.transpose(2, 0, 1))
    assert label.tolist() == [LABELS[ROWS[item]] for _, item in keys]
    assert row.tolist() == [ROWS[item] for _, item in keys]
    assert (image.dtype, label.dtype, row.dtype) == (torch.uint8, torch.int64, torch.int64)


def test_a_key_alone_is_an_item_of_the_first_epoch():
    alone, first = (dataset().__getitems__([key]) for key in (3, (0, 3)))
    assert all(map(torch.equal, alone, first))
