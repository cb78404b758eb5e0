"""Keeping predictions in large blocks."""

import numpy as np
import torch

from lightning_modules.callbacks import PredictionCollector
from lightning_modules.callbacks.prediction_collector import BLOCK


def test_what_was_predicted_comes_back_in_its_order():
    collecting = PredictionCollector()
    assert collecting.found() == {}
    values = torch.rand(2 * BLOCK + 5, 3, generator=torch.Generator().manual_seed(0))
    for batch in values.split([1, BLOCK - 1, 7, 2 * BLOCK + 5 - BLOCK - 7]):
        collecting.on_predict_batch_end(None, None, {"probability": batch, "index": batch[:, 0]}, None, 0)
    found = collecting.found()
    assert np.array_equal(found["probability"], values.numpy())
    assert np.array_equal(found["index"], values[:, 0].numpy())


def test_few_large_blocks_are_kept_and_no_tensor_of_a_batch():
    collecting = PredictionCollector()
    for number in range(100):
        collecting.on_predict_batch_end(None, None, {"index": torch.tensor([number])}, None, number)
    (rows,) = collecting._rows.values()
    assert [len(block) for block in rows.blocks] == [BLOCK]
