"""Features on disk: by view, in parts, each of which is whole."""

import numpy as np
import pytest
import torch

from common.errors import UserError
from datamodules.features.store import FeatureStore
from datamodules.features.views import Views


def views(*pairs: tuple[int, int]) -> Views:
    return Views(*np.array(pairs, np.int64).reshape(-1, 2).T)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
def test_what_was_added_in_parts_is_read_in_any_order(tmp_path, dtype):
    store = FeatureStore(tmp_path, "ab" * 32)
    values = torch.arange(8, dtype=dtype).reshape(4, 2)
    store.add(views((3, 0), (4, 0)), values[:2])
    store.add(views((0, 5), (3, 1)), values[2:])
    wanted = views((3, 1), (3, 0), (4, 0), (3, 1))
    read = FeatureStore(tmp_path, "ab" * 32).read(wanted).of(wanted)
    assert read.dtype == dtype
    assert torch.equal(read, values[[3, 0, 1, 3]])


def test_what_is_missing_is_named_once(tmp_path):
    store = FeatureStore(tmp_path, "ab" * 32)
    wanted = views((1, 0), (2, 0), (2, 0), (2, 3))
    assert len(store.missing(wanted).row) == 3
    store.add(views((2, 0)), torch.zeros(1, 2))
    assert store.missing(wanted).codes.tolist() == views((1, 0), (2, 3)).codes.tolist()
    assert FeatureStore(tmp_path, "cd" * 32).missing(wanted).codes.tolist() == np.unique(wanted.codes).tolist()


def test_a_damaged_part_is_named(tmp_path):
    store = FeatureStore(tmp_path, "ab" * 32)
    store.add(views((2, 0)), torch.zeros(1, 2))
    (path,) = store.folder.iterdir()
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(UserError, match=f"{path} is damaged .*: remove it"):
        store.missing(views((2, 0)))


def test_features_that_are_removed_while_they_are_read_are_an_error(tmp_path):
    store = FeatureStore(tmp_path, "ab" * 32)
    store.add(views((2, 0)), torch.zeros(1, 2))
    for wanted in (views((2, 0), (3, 0)), views((4, 0))):
        with pytest.raises(UserError, match="were removed while they were read: run again"):
            store.read(wanted)
