"""The file of a run that new images are compared with."""

import numpy as np
import pytest
import torch

from common.errors import UserError
from common.runs.files import RunFile
from common.runs.run import Run
from lightning_modules.out_of_distribution.distance import OutOfDistribution, fit_distances
from lightning_modules.out_of_distribution.file import load_out_of_distribution, refusal, save_distances


@pytest.fixture
def distances():
    draw = np.random.default_rng(0)
    return fit_distances(draw.normal(size=(30, 5)), draw.normal(size=(30, 8)))


def test_a_score_is_read_as_it_was_written(tmp_path, distances):
    run = Run(tmp_path)
    validation = np.random.default_rng(1).random((40, 2)).astype(np.float32)
    save_distances(run, distances, validation)
    read = load_out_of_distribution(run, 0.05)
    image, features = torch.rand(4, 3, 8, 8), torch.rand(4, 5)
    assert torch.equal(read(image, features), OutOfDistribution(distances, validation, 0.05)(image, features))


def test_why_there_is_no_score(tmp_path, distances):
    run = Run(tmp_path)
    assert load_out_of_distribution(run, 0.05) is None
    assert f"python scripts/out_of_distribution {tmp_path}" in refusal(run, 0.05)
    save_distances(run, distances, np.ones((40, 2), np.float32))
    assert load_out_of_distribution(run, 0.01) is None
    assert "has too few validation images, 40; a share of 0.01 needs 99" in refusal(run, 0.01)
    run.path(RunFile.OUT_OF_DISTRIBUTION).write_bytes(b"no tensors")
    with pytest.raises(UserError, match="is damaged"):
        refusal(run, 0.05)
