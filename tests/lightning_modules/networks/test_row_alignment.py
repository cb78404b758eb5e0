"""Bands are aligned as an expert would: stretched, shortened and turned stretches are found without learning."""

import numpy as np
import pytest
import torch

from lightning_modules.networks import row_alignment
from lightning_modules.networks.pair_summary import SUMMARY, summarise
from lightning_modules.networks.row_alignment import FACTS, HALVES, SKIP, STEP, align, warping_path

HEIGHT, WIDTH = 160, 32
LENGTH = 112


def banded(rows: np.ndarray) -> np.ndarray:
    """Return a chromosome with the rows of a fixed pattern of bands, in the middle of its image."""
    pattern = np.interp(np.arange(200), np.arange(0, 200, 6), np.random.default_rng(3).uniform(0.2, 1, 34))
    image = np.zeros((HEIGHT, WIDTH), np.float32)
    top = (HEIGHT - len(rows)) // 2
    across = 1 - 0.2 * np.abs(np.linspace(-1, 1, 20))
    image[top : top + len(rows), 6:26] = np.interp(rows, np.arange(200), pattern)[:, None] * across
    return image


WHOLE = np.arange(20.0, 20 + LENGTH)
DELETED = np.delete(WHOLE, np.s_[60:84])
TURNED = np.concatenate([WHOLE[:40], WHOLE[40:76][::-1], WHOLE[76:]])
LONGER = np.linspace(WHOLE[0], WHOLE[-1], 128)


def pair(first: np.ndarray, second: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.stack([banded(first), banded(second)]))[None]


def test_equal_chromosomes_are_aligned_row_by_row():
    aligned = align(pair(WHOLE, WHOLE))
    assert aligned.warped.numpy() == pytest.approx(pair(WHOLE, WHOLE).numpy(), abs=1e-4)
    assert aligned.facts.shape == (1, 2, HEIGHT // STEP, FACTS)
    assert aligned.facts[..., 2:4].abs().max() == 0


@pytest.mark.parametrize("other", [LONGER, DELETED])
def test_a_longer_or_shorter_partner_is_brought_beside(other):
    """The difference that remains is smaller than that of the images as they lie."""
    image = pair(WHOLE, other)
    aligned = align(image)
    inside = image[0, 0].amax(1) > 0
    beside = (image[0, 0] - aligned.warped[0, 0]).abs()[inside].mean()
    as_they_lie = (image[0, 0] - image[0, 1]).abs()[inside].mean()
    assert beside < 0.5 * as_they_lie


def test_the_rows_of_an_inversion_have_the_highest_scores():
    scores = align(pair(WHOLE, TURNED)).facts[0, 0, :, 1]
    first = ((HEIGHT - LENGTH) // 2 + 40) // STEP
    turned = slice(first, first + 36 // STEP)
    assert scores.argmax() in range(turned.start, turned.stop)
    of_equal = align(pair(WHOLE, WHOLE)).facts[0, 0, :, 1]
    assert scores[turned].median() > of_equal.max() + 0.2


def test_the_order_of_the_two_only_exchanges_the_results():
    image = torch.cat([pair(WHOLE, DELETED), pair(TURNED, LONGER)])
    there, back = align(image), align(image.flip(1))
    for one, other in zip(there, back, strict=True):
        assert torch.allclose(one, other.flip(1), atol=1e-4)
    assert torch.allclose(summarise(image, there), summarise(image.flip(1), back), atol=1e-4)


def test_the_path_is_the_cheapest_one():
    """The same recursion, pair of rows by pair of rows."""
    rows = 12
    cost = torch.rand(3, rows, rows, generator=torch.Generator().manual_seed(0))
    moves = row_alignment._cheapest_moves(cost)
    path = warping_path(cost)
    for number in range(3):
        here = cost[number].numpy()
        total = np.full((rows, rows), np.inf)
        total[0, 0] = here[0, 0]
        for i in range(rows):
            for j in range(rows):
                candidates = [total[i, j]] if i == j == 0 else []
                if i and j:
                    candidates.append(total[i - 1, j - 1] + here[i, j])
                if i:
                    candidates.append(total[i - 1, j] + here[i, j] + SKIP)
                if j:
                    candidates.append(total[i, j - 1] + here[i, j] + SKIP)
                total[i, j] = min(candidates)
        i = j = rows - 1
        price = 0.0
        visited = [(i, j)]
        while (i, j) != (0, 0):
            move = int(moves[number, i + j, i])
            price += here[i, j] + (SKIP if move else 0)
            i, j = i - (move != 2), j - (move != 1)
            visited.append((i, j))
        assert price + here[0, 0] == pytest.approx(total[-1, -1], abs=1e-4)
        of_first = [np.mean([j for i, j in visited if i == row]) for row in range(rows)]
        assert path[number, 0].numpy() == pytest.approx(of_first, abs=1e-5)


def test_a_summary_tells_a_deletion_and_an_inversion_from_a_normal_pair():
    images = torch.cat([pair(WHOLE, WHOLE), pair(WHOLE, DELETED), pair(WHOLE, TURNED)])
    aligned = align(images)
    summary = summarise(images, aligned)
    assert summary.shape == (3, SUMMARY)
    shorter = summary[:, 0]
    assert shorter.tolist() == pytest.approx([0, 24 / LENGTH, 0], abs=0.01)
    assert summary[:, 1].tolist() == pytest.approx([LENGTH / HEIGHT] * 3, abs=0.01)
    assert aligned.inversions.shape[3] == len(HALVES)
    turned_round = aligned.inversions.amax((1, 2, 3))
    assert turned_round[2] > turned_round[0] + 0.2


def test_an_empty_image_gives_numbers():
    image = torch.zeros(1, 2, HEIGHT, WIDTH)
    assert summarise(image, align(image)).isfinite().all()
