"""Two homologous chromosomes compared row by row: aligned softly, in the same and in the opposite order."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from common.karyotype import CHROMOSOMES

HEADS = 4  # of attention, of each order
NEAR = 3.0  # tokens: so far from the diagonal does attention reach at first
LAYERS = 3  # of convolutions along the axis
OUTLIER = 5.0  # standard deviations, beyond which the numbers of a pair are cut off


class Compared(NamedTuple):
    """What is found of B pairs; logits, float.

    Attributes:
        abnormal: Shape (B,).
        kind: Of each kind of rearrangement, shape (B, kinds).
        which: Above 0 the first chromosome is the abnormal one, shape (B,).
        place: Of each token of both chromosomes to be changed, or what the other one lacks, shape (B, 2, T).
    """

    abnormal: torch.Tensor
    kind: torch.Tensor
    which: torch.Tensor
    place: torch.Tensor


class HomologueComparison(nn.Module):
    """Compares the tokens of two chromosomes; the order of the two does not matter.

    Args:
        channels: Of the features of a chromosome.
        tokens: Along its axis.
        facts: Of each token, beside its features.
        summary: Numbers that describe a pair as a whole.
        kinds: Kinds of rearrangements.
        width: Of a token; a multiple of twice HEADS.
        dropout: Of the pair's vector.
    """

    def __init__(
        self, channels: int, tokens: int, facts: int, summary: int, kinds: int, width: int = 128, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.enter = nn.Linear(channels, width)
        self.facts = nn.Sequential(nn.Linear(facts, width // 2), nn.GELU(), nn.Linear(width // 2, width))
        self.chromosome = nn.Embedding(len(CHROMOSOMES), width)
        self.row = nn.Parameter(0.02 * torch.randn(tokens, width))
        self.norm = nn.LayerNorm(width)
        self.attention = OrderedAttention(width, tokens)
        self.compare = nn.Sequential(nn.Linear(4 * width, width), nn.GELU())
        self.along = nn.ModuleList(AxisBlock(width, 2**layer) for layer in range(LAYERS))
        self.place = nn.Linear(width, 1)
        self.which = nn.Linear(3 * width, 1, bias=False)
        self.summary = SummaryNetwork(summary, width)
        self.pair = nn.Sequential(nn.Linear(8 * width, width), nn.GELU(), nn.Dropout(dropout))
        self.abnormal = nn.Linear(width, 1)
        self.kind = nn.Linear(width, kinds)

    def forward(
        self, features: torch.Tensor, facts: torch.Tensor, summary: torch.Tensor, chromosome: torch.Tensor
    ) -> Compared:
        """Compare pairs.

        Args:
            features: Of both chromosomes, float, shape (B, 2, C, T, W).
            facts: Of their aligned rows, float, shape (B, 2, R, F); each token has R / T of these rows.
            summary: Of each pair, float, shape (B, S).
            chromosome: Class of each pair, index into CHROMOSOMES, int64, shape (B,).
        """
        of_class = self.chromosome(chromosome)
        tokens = self.enter(features.mean(4).transpose(2, 3)) + self.row + of_class[:, None, None]
        tokens = self.norm(tokens) + self.facts(facts.reshape(*tokens.shape[:3], -1))
        other = tokens.flip(1)
        same_order, opposite_order = self.attention(tokens.flatten(0, 1), other.flatten(0, 1))
        own = tokens.flatten(0, 1)
        found = self.compare(torch.cat([own, same_order, opposite_order, (own - same_order).abs()], dim=2))
        for block in self.along:
            found = block(found)
        place = self.place(found).squeeze(2)
        pooled = torch.unflatten(_pooled(found, place), 0, (-1, 2))
        as_a_whole = self.summary(summary, chromosome)
        pair = self.pair(torch.cat([pooled.sum(1), (pooled[:, 0] - pooled[:, 1]).abs(), of_class, as_a_whole], dim=1))
        which = self.which(pooled[:, 0] - pooled[:, 1]).squeeze(1)
        with torch.autocast(pair.device.type, enabled=False):  # scores in half precision would often be equal
            abnormal = self.abnormal(pair.float()).squeeze(1) + self.summary.abnormal(as_a_whole.float()).squeeze(1)
        return Compared(abnormal, self.kind(pair), which, torch.unflatten(place, 0, (-1, 2)))


class SummaryNetwork(nn.Module):
    """Reads the numbers that describe a pair, each on a scale of its own for each chromosome.

    Args:
        numbers: Of a pair.
        width: Of the result.
    """

    def __init__(self, numbers: int, width: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(numbers)
        self.scale = nn.Embedding(len(CHROMOSOMES), numbers)
        self.shift = nn.Embedding(len(CHROMOSOMES), numbers)
        nn.init.ones_(self.scale.weight)
        nn.init.zeros_(self.shift.weight)
        layers = [nn.Linear(numbers, width // 2), nn.GELU(), nn.Linear(width // 2, width), nn.GELU()]
        self.layers = nn.Sequential(*layers)
        self.abnormal = nn.Linear(width, 1)

    def forward(self, summary: torch.Tensor, chromosome: torch.Tensor) -> torch.Tensor:
        """Return features, float, shape (B, width), of numbers, float, shape (B, numbers), of pairs of some classes."""
        normal = self.norm(summary).clamp(-OUTLIER, OUTLIER)
        features: torch.Tensor = self.layers(normal * self.scale(chromosome) + self.shift(chromosome))
        return features


class OrderedAttention(nn.Module):
    """What each token of one sequence finds in another one, near the place that either order makes likely.

    Args:
        width: Of a token.
        tokens: Of a sequence.
    """

    def __init__(self, width: int, tokens: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, 2 * width)
        self.key = nn.Linear(width, 2 * width)
        self.value = nn.Linear(width, 2 * width)
        self.apart: torch.Tensor
        self.opposite: torch.Tensor
        number = torch.arange(tokens)
        apart = number[:, None] - number
        self.register_buffer("apart", apart + tokens - 1, persistent=False)
        self.register_buffer("opposite", number[:, None] + number, persistent=False)
        offset = torch.arange(2 * tokens - 1) - (tokens - 1)
        self.bias = nn.Parameter((-((offset / NEAR) ** 2) / 2).expand(HEADS, -1).clone())
        self.opposite_bias = nn.Parameter(torch.zeros(HEADS, 2 * tokens - 1))

    def forward(self, own: torch.Tensor, other: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what is found in the same and in the opposite order, each of the shape of ``own``, (B, T, width)."""
        query, key, value = (
            layer(tokens).unflatten(2, (2 * HEADS, -1)).transpose(1, 2)
            for layer, tokens in ((self.query, own), (self.key, other), (self.value, other))
        )
        bias = torch.cat([self.bias[:, self.apart], self.opposite_bias[:, self.opposite]])
        found = F.scaled_dot_product_attention(query, key, value, attn_mask=bias.to(query.dtype))
        same_order, opposite_order = found.transpose(1, 2).flatten(2).chunk(2, dim=2)
        return same_order, opposite_order


class AxisBlock(nn.Module):
    """A residual convolution along the axis.

    Args:
        width: Of a token.
        dilation: Tokens between those that it combines.
    """

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.near = nn.Conv1d(width, width, kernel_size=3, padding=dilation, dilation=dilation)
        self.mix = nn.Linear(width, width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return tokens of the same shape (B, T, width)."""
        near = self.near(self.norm(tokens).transpose(1, 2)).transpose(1, 2)
        mixed: torch.Tensor = tokens + self.mix(F.gelu(near))
        return mixed


def _pooled(tokens: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """Return mean, maximum, and mean at what is likely changed, of tokens (B, T, width), shape (B, 3 width)."""
    weight = torch.softmax(place, dim=1)[..., None]
    return torch.cat([tokens.mean(1), tokens.amax(1), (weight * tokens).sum(1)], dim=1)
