"""Pairs of homologues per second: derived in a batch, against one pair after the other."""

import numpy as np
import torch

from benchmarks.shared import time_in_turn
from common.config.compose import compose_config
from common.karyotype import CHROMOSOMES
from datamodules.homologues.draws import PairKeys, Pairs
from datamodules.homologues.pair_datamodule import DRAWN
from datamodules.homologues.pairs import PairMaker
from datamodules.homologues.strips import Strips
from datamodules.synthesis.ideogram import IDEOGRAM
from datamodules.transforms.batched_augmentation import BatchedAugmentation

CELLS = 16
LONGEST = 120  # rows of chromosome 1


def measure(batch: int, rounds: int) -> dict[str, object]:
    """Time both ways to training pairs of +experiment=homologue_pairs, augmented, on the CPU, in turn.

    Args:
        batch: Pairs at once.
        rounds: How often each is timed; one after the other in a third of them.

    Returns:
        A row: pairs per second by the clock and of the processor's time, and the ratio of the latter to that of one
        pair after the other.
    """
    maker = drawn_maker()
    pairs = len(maker.positions)

    def keys(number: int, count: int) -> PairKeys:
        item = torch.arange(number * batch, number * batch + count)
        same = torch.zeros_like(item)
        return PairKeys(same + number, item, item % pairs, same + DRAWN)

    def together(number: int) -> None:
        maker(keys(number, batch))

    def one_by_one(number: int) -> None:
        for item in keys(number, batch).item[:, None]:
            same = torch.zeros_like(item)
            maker(PairKeys(same + number, item, item % pairs, same + DRAWN))

    times = time_in_turn({"together": together, "alone": one_by_one}, ("alone",), rounds, max(rounds // 3, 1))
    cpu, clock = times["together"]
    rates = {"per_second": batch / clock, "per_cpu_second": batch / cpu, "alone_per_second": batch / times["alone"][1]}
    return {"batch": batch, **rates, "ratio": times["alone"][0] / cpu}


def drawn_maker() -> PairMaker:
    """Return a maker of pairs of noise with the lengths of human chromosomes, in 160 by 32 pixels."""
    config = compose_config(["+experiment=homologue_pairs", "data=synthetic_chromosomes"])
    height, _ = config.prepare.shape
    labels = np.array([name for name in CHROMOSOMES[:22] for _ in range(2)] * CELLS, object)
    cells = np.repeat(np.arange(CELLS), 44)
    sizes = np.array([IDEOGRAM[name].length_mb for name in labels])
    length = torch.from_numpy((sizes / sizes.max() * LONGEST).round()).float()
    row = torch.arange(height)
    inside = (row < length[:, None])[..., None]
    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(60, 256, (len(labels), height, config.pairs.width), generator=generator)
    pixels = (noise * inside).to(torch.uint8)
    arms = torch.tensor([IDEOGRAM[name].short_arm for name in labels]).float()
    half = torch.full((len(labels), height), config.pairs.width / 2)
    strips = Strips(torch.arange(len(labels)), pixels, length, half, length * arms)
    augmentation = BatchedAugmentation(config.transform, 0)
    return PairMaker(strips, Pairs.of(labels, cells, cells), config.pairs, augmentation, seed=0)
