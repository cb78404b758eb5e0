"""Straightened chromosomes whose rows say where they are from."""

import torch

from datamodules.homologues.strips import Strips

HEIGHT = 160
WIDTH = 24


def strips_of(lengths: list[int], widths: list[float] | None = None) -> Strips:
    """Return strips whose gray value is the number of the row, plus 1; all of one width, or of those given."""
    count = len(lengths)
    pixels = torch.zeros(count, HEIGHT, WIDTH, dtype=torch.uint8)
    half = torch.ones(count, HEIGHT)
    for number, length in enumerate(lengths):
        width = 6 if widths is None else int(widths[number])
        left = WIDTH // 2 - width
        rows = torch.arange(1, length + 1, dtype=torch.uint8)
        pixels[number, :length, left : left + 2 * width] = rows[:, None]
        half[number, :length] = width
    length = torch.tensor(lengths, dtype=torch.float32)
    return Strips(torch.arange(count), pixels, length, half, 0.4 * length)
