"""The set transformer: equivariant under the order of the chromosomes, blind to padding, the network alone at first."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from common.config.schema import ContextConfig
from lightning_modules.networks.set_transformer import MEASURES, CellIndex, SetTransformer, measure

FEATURES = 6
CLASSES = 5


def trained(counts: bool = True) -> SetTransformer:
    """A module whose every weight counts, in eval mode."""
    torch.manual_seed(0)
    module = SetTransformer(FEATURES, CLASSES, ContextConfig(width=8, layers=2, heads=2, dropout=0.5, counts=counts))
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)
    return module.eval()


def batch(sizes: list[int], seed: int = 0) -> list[torch.Tensor]:
    """Features, logits and measures of chromosomes of cells of these sizes, and the cell of each."""
    generator = torch.Generator().manual_seed(seed)
    count = sum(sizes)
    values = [torch.randn(count, width, generator=generator) for width in (FEATURES, CLASSES, MEASURES)]
    return [*values, torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))]


SIZES = st.lists(st.integers(1, 7), min_size=1, max_size=4)


@settings(deadline=None, max_examples=30)
@given(sizes=SIZES, seed=st.integers(0, 99), counts=st.booleans())
def test_corrections_move_with_the_chromosomes(sizes, seed, counts):
    module = trained(counts)
    values = batch(sizes, seed)
    order = torch.randperm(sum(sizes), generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        moved = module(*(value[order] for value in values))
        assert torch.allclose(moved, module(*values)[order], atol=1e-5)


@settings(deadline=None, max_examples=30)
@given(sizes=SIZES)
def test_a_cell_has_the_same_corrections_beside_cells_of_any_size(sizes):
    module = trained()
    values = batch(sizes)
    with torch.no_grad():
        together = module(*values)
        for number in range(len(sizes)):
            rows = values[3] == number
            single = module(*(value[rows] for value in values[:3]), torch.zeros(sizes[number], dtype=torch.int64))
            assert torch.allclose(together[rows], single, atol=1e-5)


def test_other_chromosomes_of_the_cell_count_and_those_of_other_cells_do_not():
    module = trained()
    features, logits, measures, cell = batch([4, 3])
    with torch.no_grad():
        before = module(features, logits, measures, cell)
        logits[0] += torch.arange(CLASSES)
        after = module(features, logits, measures, cell)
    assert not torch.allclose(before[1:4], after[1:4], atol=1e-3)
    assert torch.equal(before[4:], after[4:])


def test_a_new_module_corrects_nothing_and_learns():
    module = SetTransformer(FEATURES, CLASSES, ContextConfig(width=8, layers=1, heads=2, dropout=0.0))
    values = batch([3, 2])
    correction = module(*values)
    assert not correction.any()
    nn.functional.cross_entropy(values[1] + correction, torch.arange(5)).backward()
    assert module.correction.weight.grad.any()


def test_padding_and_back_gives_the_same_values():
    cell = torch.tensor([1, 0, 1, 1, 0])
    values = torch.arange(10.0).view(5, 2)
    index = CellIndex(cell)
    assert index.pad(values).shape == (2, 3, 2)
    assert index.present.tolist() == [[True, True, False], [True, True, True]]
    assert torch.equal(index.flatten(index.pad(values)), values)
    assert torch.equal(index.total(values)[:, 0], torch.tensor([10.0, 10, 10, 10, 10]))
    assert index.relative(values).view(-1).tolist() == pytest.approx(
        [-10 / 3] * 2 + [-3, -3] + [2 / 3] * 2 + [8 / 3] * 2 + [3, 3]
    )


def bar(length: int, value: float = 0.8) -> torch.Tensor:
    """A bright bar of 6 columns on a black canvas, shape (1, 3, 64, 64)."""
    image = torch.zeros(1, 3, 64, 64)
    image[..., 10 : 10 + length, 20:26] = value
    image[..., 10 : 10 + length // 2, 20:26] /= 2
    return image


@pytest.mark.parametrize("turn", [lambda x: x.flip(-1), lambda x: x.flip(-2), lambda x: x.transpose(-1, -2)])
def test_a_chromosome_measures_the_same_however_it_lies(turn):
    assert torch.allclose(measure(turn(bar(40))), measure(bar(40)), atol=1e-4)


def test_length_area_and_density_are_measured():
    short, long, dark = measure(torch.cat([bar(20), bar(40), bar(40, 0.4)]))
    assert (long - short)[[0, 2]].exp() == pytest.approx([2, 2], rel=0.01)  # length and area
    assert (long - short)[1].abs() < 0.01  # width
    assert (long - dark)[:3].abs().max() == 0
    assert (long - dark)[3:].exp() == pytest.approx([2, 2], rel=0.1)  # density and its deviation


def test_an_empty_canvas_has_finite_measures():
    assert measure(torch.zeros(1, 3, 8, 8)).isfinite().all()
