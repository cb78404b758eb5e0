"""Two drawn homologues, one with a derived deletion, aligned along their bands."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes

from datamodules.homologues.changes import DELETION, NUMBERS, Originals, make_changes
from datamodules.homologues.segments import Segments, assemble
from datamodules.homologues.strips import Strips
from datamodules.synthesis.chromosomes import ChromosomeTraits, draw_chromosome
from datamodules.synthesis.ideogram import IDEOGRAM
from evaluation.core.plots import COLOURS, canvas
from lightning_modules.networks.row_alignment import STEP, align

LABEL = "5"
SIZE = 0.2  # deleted share of the length
HEIGHT, WIDTH = 176, 32  # of the strips, those of +experiment=homologue_pairs
BENDS = (0.35, -0.25)  # of the two chromosomes, radians
EVERY = 4  # aligned rows from one line between partners to the next


@dataclass(frozen=True)
class AlignedPair:
    """Two straightened homologues in the middle of strips; the second lacks a stretch.

    Attributes:
        image: Both, in [0, 1] on black, shape (2, HEIGHT, WIDTH).
        lacking: First row of the first chromosome that the second lacks, and the row after the last.
        partner: Row of the second chromosome for every STEP-th row of the first, shape (HEIGHT / STEP,).
        inside: Whether the row is on the first chromosome, likewise.
    """

    image: np.ndarray
    lacking: tuple[float, float]
    partner: np.ndarray
    inside: np.ndarray


def drawn_pair() -> AlignedPair:
    """Draw, straighten, change and align a pair."""
    strips = _strips()
    originals = Originals(*(torch.tensor([number]) for number in (1, 0, 0)))
    middle = torch.full((1, NUMBERS), 0.5)
    change = make_changes(strips, originals, torch.tensor([DELETION]), torch.tensor([SIZE]), middle)
    image = torch.cat(
        [
            assemble(strips, each, torch.ones(1))
            for each in (Segments.whole(strips, torch.tensor([0])), change.segments)
        ],
        dim=1,
    )
    _, _, moved, _, inside = align(image).facts[0, 0].numpy().T
    # The same share of the length on both homologues.
    top, ratio = (HEIGHT - strips.length[0]) / 2, strips.length[0] / strips.length[1]
    lacking = float(top + change.original_start * ratio), float(top + change.original_stop * ratio)
    partner = (np.arange(len(moved)) + 10 * moved) * STEP
    return AlignedPair(image[0].numpy(), lacking, partner, inside > 0)


def _strips() -> Strips:
    """Straighten two chromosomes of one class that are bent, dyed and textured differently."""
    canvases = np.zeros((len(BENDS), HEIGHT, HEIGHT, 3), np.uint8)
    for number, bow in enumerate(BENDS):
        traits = ChromosomeTraits(LABEL, length=120.0, width=16.0, bow=bow, grain=0.04, jitter=0.05)
        drawn = 255 - draw_chromosome(traits, np.random.default_rng(number))
        top, left = ((HEIGHT - size) // 2 for size in drawn.shape)
        canvases[number, top : top + drawn.shape[0], left : left + drawn.shape[1]] = drawn[..., None]
    short_arms = np.full(len(BENDS), IDEOGRAM[LABEL].short_arm)
    return Strips.load(lambda row: canvases[row], np.arange(len(BENDS)), short_arms, WIDTH, threshold=20)


def draw(path: Path) -> None:
    """Draw both homologues, lines between aligned rows, and how far partners are from their rows."""
    pair = drawn_pair()
    with canvas(path, (7.0, 5.0), {"name": f"Two homologues of {LABEL}", "synthetic": True}) as figure:
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=[1.3, 1.0])
        _draw_pair(left, pair)
        rows = STEP * np.arange(len(pair.partner))
        right.plot((pair.partner - rows)[pair.inside], rows[pair.inside], color=COLOURS[0])
        right.axhspan(*pair.lacking, color=COLOURS[1], alpha=0.2, linewidth=0)
        right.set(xlabel="rows from a row to its partner")
        covered = rows[pair.inside]
        left.set_ylim(covered.max() + 6, covered.min() - 6)


def _draw_pair(axis: Axes, pair: AlignedPair) -> None:
    apart = 2.5 * WIDTH
    for image, side in zip(pair.image, (0.0, apart), strict=True):
        axis.imshow(1 - image, cmap="gray", vmin=0, vmax=1, extent=(side, side + WIDTH, HEIGHT, 0), aspect="auto")
    for row in np.flatnonzero(pair.inside)[::EVERY]:
        colour = COLOURS[1] if pair.lacking[0] <= STEP * row <= pair.lacking[1] else "#888888"
        axis.plot([WIDTH, apart], [STEP * row, pair.partner[row]], color=colour, linewidth=1)
    axis.axhspan(*pair.lacking, xmax=0.02, color=COLOURS[1], linewidth=0)
    axis.set(xlim=(-4, apart + WIDTH + 4), xticks=[WIDTH / 2, apart + WIDTH / 2], ylabel="row")
    axis.set_xticklabels(["whole", f"{100 * SIZE:.0f} % deleted"])
    axis.grid(visible=False)
