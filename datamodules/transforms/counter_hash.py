"""Random numbers of many keys at once: each is a function of its key alone, on every device the same."""

import torch

# Of SplitMix64 (Steele, Lea and Flood, Fast splittable pseudorandom number generators, OOPSLA 2014), as signed numbers.
_GOLDEN = 0x9E3779B97F4A7C15 - 2**64
_FIRST = 0xBF58476D1CE4E5B9 - 2**64
_SECOND = 0x94D049BB133111EB - 2**64


def uniform(key: torch.Tensor, count: int) -> torch.Tensor:
    """Draw numbers from 0 to below 1 for each key.

    Args:
        key: int64, shape (B, parts): each part counts, and so does their order.
        count: How many numbers; the first of them do not depend on it.

    Returns:
        float32, shape (B, count), multiples of 2**-24: bit for bit the same on every device.
    """
    state = torch.zeros_like(key[:, 0])
    for part in key.unbind(1):
        state = _mix(state ^ part)
    numbers = torch.arange(count, device=key.device)
    words = _mix(state.unsqueeze(1) + numbers * _GOLDEN)
    return _shift(words, 40).float() * 2.0**-24


def _mix(state: torch.Tensor) -> torch.Tensor:
    """SplitMix64 of int64 values; products wrap around."""
    state = state + _GOLDEN
    state = (state ^ _shift(state, 30)) * _FIRST
    state = (state ^ _shift(state, 27)) * _SECOND
    return state ^ _shift(state, 31)


def _shift(state: torch.Tensor, bits: int) -> torch.Tensor:
    """Shift right without the sign."""
    shifted: torch.Tensor = (state >> bits) & (2 ** (64 - bits) - 1)
    return shifted
