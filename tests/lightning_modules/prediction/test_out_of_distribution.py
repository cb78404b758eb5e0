"""The score of being out of distribution, and its file."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from karyocyte.common.errors import UserError
from karyocyte.runs.files import RunFile
from karyocyte.runs.predictions import needed_images
from karyocyte.runs.run import Run
from lightning_modules.prediction.out_of_distribution import (
    NEIGHBOURS,
    OutOfDistribution,
    fit_distances,
    load_out_of_distribution,
    looks_of,
    quantile_above,
    save_distances,
)

DRAW = np.random.default_rng(0)


def described(count, turn=0.0, bright=0.0):
    """Features around one direction, turned by an angle in a plane, and looks around (0, ..., 0)."""
    centre = np.zeros(6)
    centre[:2] = np.cos(turn), np.sin(turn)
    features = DRAW.uniform(0.5, 3, (count, 1)) * (centre + DRAW.normal(0, 0.05, (count, 6)))
    looks = DRAW.normal(0, [1, 2, 3, 4, 5, 6, 7, 8], (count, 8)) + bright
    return torch.from_numpy(features).float(), torch.from_numpy(looks).float()


@pytest.fixture(scope="module")
def distances():
    features, looks = described(400)
    return fit_distances(features.numpy(), looks.numpy())


def test_the_first_distance_is_that_of_the_tenth_nearest_direction(distances):
    features, looks = described(5, turn=1.0)
    similar = F.cosine_similarity(features[:, None], distances.features[None], dim=2)
    expected = 1 - similar.sort(dim=1, descending=True).values[:, NEIGHBOURS - 1]
    assert torch.allclose(distances.of_described(features, looks)[:, 0], expected, atol=1e-6)


def test_the_second_distance_counts_standard_deviations(distances):
    features = distances.features[:8]
    looks = 3.0 * torch.diag(torch.arange(1.0, 9.0))  # three deviations along one axis each
    assert distances.of_described(features, looks)[:, 1].numpy() == pytest.approx(3.0, rel=0.2)


@pytest.mark.parametrize("other", [{"turn": 1.0}, {"bright": 30.0}])
def test_what_is_unlike_in_either_way_is_above_one_and_few_of_the_others_are(distances, other):
    validation = distances.of_described(*described(300)).numpy()
    score = OutOfDistribution(distances, validation, share=0.02)
    like = score.combined(distances.of_described(*described(2000)))
    assert score.combined(torch.from_numpy(validation.min(axis=0, keepdims=True))) == 0  # nearer than most is no fault
    unlike = score.combined(distances.of_described(*described(50, **other)))
    assert (unlike > 1).all()
    assert (like > 1).float().mean() < 0.06


def test_looks_see_brightness_and_sharpness_but_not_a_half_turn():
    image = torch.rand(3, 3, 10, 12, generator=torch.Generator().manual_seed(0))
    looks = looks_of(image)
    assert looks.shape == (3, 8)
    assert torch.allclose(looks_of(image.flip(-1, -2)), looks, atol=1e-6)
    assert torch.allclose(looks_of(image * 0.5), looks * 0.5, atol=1e-6)
    assert (looks_of(F.avg_pool2d(image, 3, 1, 1))[:, 6:] < looks[:, 6:]).all()


def test_a_score_is_read_as_it_was_written(tmp_path, distances):
    validation = np.random.default_rng(1).random((40, 2)).astype(np.float32)
    save_distances(Run(tmp_path), distances, validation)
    read, refusal = load_out_of_distribution(Run(tmp_path).path(RunFile.OUT_OF_DISTRIBUTION), 0.05)
    image, features = torch.rand(4, 3, 8, 8), torch.rand(4, 6)
    assert torch.equal(read(image, features), OutOfDistribution(distances, validation, 0.05)(image, features))
    assert refusal is None


def test_why_there_is_no_score(tmp_path, distances):
    run = Run(tmp_path)
    path = run.path(RunFile.OUT_OF_DISTRIBUTION)
    assert "trained without validation images" in load_out_of_distribution(path, 0.05)[1]
    save_distances(run, distances, np.ones((40, 2), np.float32))
    score, refusal = load_out_of_distribution(path, 0.01)
    assert score is None
    assert "has too few validation images, 40; a share of 0.01 needs 99" in refusal
    path.write_bytes(b"no tensors")
    with pytest.raises(UserError, match="is damaged"):
        load_out_of_distribution(path, 0.05)


@pytest.mark.parametrize(("share", "expected"), [(0.01, 99), (0.05, 19), (0.5, 1)])
def test_a_quantile_is_of_the_images_that_are_needed(share, expected):
    assert needed_images(share) == expected
    scores = np.random.default_rng(0).permutation(expected) + 1.0
    assert quantile_above(scores, share) == expected
    many = np.random.default_rng(0).permutation(10 * expected + 9) + 1.0
    assert (many > quantile_above(many, share)).mean() <= share
