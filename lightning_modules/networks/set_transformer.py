"""A set transformer over the chromosomes of a cell, which corrects the logits of each by what the others are.

Blocks of self-attention without positions (Lee et al., Set Transformer, 2019), with normalisation first (Xiong et al.,
2020): the corrections move with the chromosomes when these are put in another order. The last layer starts at zero, so
a new model predicts what its network predicts for each chromosome alone.
"""

import torch
import torch.nn.functional as F
from torch import nn

from common.config.schema import ContextConfig

# Intensity in [0, 1] above which a pixel belongs to the chromosome; the ground is black.
GROUND = 0.08
# Logarithms of length, width, area, mean density and deviation of the density.
MEASURES = 5
# Below this log-probability a network only says "not this class": smaller ones would dominate a token.
LEAST_LOG = -8.0


class CellIndex:
    """Where each image of a batch of whole cells lies in an array of one row per cell.

    Args:
        cell: Number of the cell of each image, int64 in 0 to G - 1, shape (B,), in any order.
    """

    def __init__(self, cell: torch.Tensor) -> None:
        self.cell = cell
        self.counts = torch.bincount(cell)
        order = torch.argsort(cell, stable=True)
        starts = self.counts.cumsum(0) - self.counts
        self.position = torch.empty_like(cell)
        self.position[order] = torch.arange(len(cell), device=cell.device) - starts[cell[order]]
        self.present = torch.arange(int(self.counts.max()), device=cell.device) < self.counts[:, None]

    def pad(self, values: torch.Tensor) -> torch.Tensor:
        """Return values (B, D) by cell, shape (G, N, D), N being the size of the largest; zeros fill the others up."""
        padded = values.new_zeros(*self.present.shape, values.shape[1])
        padded[self.cell, self.position] = values
        return padded

    def flatten(self, padded: torch.Tensor) -> torch.Tensor:
        """Return padded values (G, N, D) image by image, shape (B, D)."""
        return padded[self.cell, self.position]

    def total(self, values: torch.Tensor) -> torch.Tensor:
        """Return, for each image, the sum over its cell of values (B, D)."""
        sums = values.new_zeros(len(self.counts), values.shape[1])
        return sums.index_add(0, self.cell, values)[self.cell]

    def relative(self, values: torch.Tensor) -> torch.Tensor:
        """Return values (B, D) less their mean over the cell."""
        return values - self.total(values) / self.counts[self.cell, None]


def measure(image: torch.Tensor) -> torch.Tensor:
    """Return what a chromosome measures on its canvas, however it is turned or mirrored.

    Args:
        image: float, shape (B, C, H, W) in [0, 1], the chromosome on black.

    Returns:
        Natural logarithms of length and width (of the ellipse with the same second moments, pixels), area (pixels),
        mean density and deviation of the density, float32, shape (B, MEASURES).
    """
    gray = image.float().mean(dim=1)
    mask = (gray > GROUND).float()
    area = mask.sum(dim=(1, 2)).clamp(min=1.0)
    rows = torch.arange(gray.shape[1], device=gray.device, dtype=torch.float32)
    columns = torch.arange(gray.shape[2], device=gray.device, dtype=torch.float32)
    by_row = mask.sum(dim=2)
    by_column = mask.sum(dim=1)
    row = by_row @ rows / area
    column = by_column @ columns / area
    row_variance = by_row @ rows**2 / area - row**2
    column_variance = by_column @ columns**2 / area - column**2
    covariance = torch.einsum("bhw,h,w->b", mask, rows, columns) / area - row * column
    middle = (row_variance + column_variance) / 2
    apart = torch.sqrt(((row_variance - column_variance) / 2) ** 2 + covariance**2)
    length = 4 * torch.sqrt((middle + apart).clamp(min=1 / 12))  # of a single pixel: 1 / 12
    width = 4 * torch.sqrt((middle - apart).clamp(min=1 / 12))
    density = (gray * mask).sum(dim=(1, 2)) / area
    spread = torch.sqrt((((gray - density[:, None, None]) ** 2) * mask).sum(dim=(1, 2)) / area)
    return torch.stack([length, width, area, density + 0.01, spread + 0.01], dim=1).log()


class Attention(nn.Module):
    """Self-attention within cells, biased by how alike two chromosomes look: homologues are.

    Args:
        width: Width of a token.
        heads: Number of heads, each of which learns the weight of the similarity, 0 at first.
        dropout: Share of the attention weights that are dropped in training.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.similarity_weight = nn.Parameter(torch.zeros(heads, 1, 1))

    def forward(self, tokens: torch.Tensor, similarity: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """Return the attended tokens, shape (G, N, width).

        Args:
            tokens: float, shape (G, N, width).
            similarity: Of each two chromosomes of a cell, float in [-1, 1], shape (G, N, N).
            present: False where a cell is filled up, bool, shape (G, N).
        """
        cells, count, width = tokens.shape
        query, key, value = self.qkv(tokens).view(cells, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        bias = self.similarity_weight * similarity[:, None]
        bias = bias.masked_fill(~present[:, None, None], -torch.inf).to(query.dtype)
        rate = self.dropout if self.training else 0.0
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=bias, dropout_p=rate)
        attended_tokens: torch.Tensor = self.out(attended.transpose(1, 2).reshape(cells, count, width))
        return attended_tokens


class Block(nn.Module):
    """Attention and a small network for each token, both with normalisation first and added to the token."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads, dropout)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(4 * width, width)
        )

    def forward(self, tokens: torch.Tensor, similarity: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """Return tokens of the same shape; arguments as ``Attention.forward``."""
        tokens = tokens + self.attention(self.norm1(tokens), similarity, present)
        updated: torch.Tensor = tokens + self.mlp(self.norm2(tokens))
        return updated


class SetTransformer(nn.Module):
    """Corrects the logits of the chromosomes of a cell by one another.

    The token of a chromosome is made of its features, its log-probabilities, what it measures relative to the mean of
    the cell and, with ``config.counts``, the number of chromosomes of each class that the network expects among the
    *others* of the cell (the sum of their probabilities).

    Corrections that count chromosomes make each prediction more accurate. A joint assignment, which counts by itself,
    would count twice: before it, a correction should compare appearances alone. So without ``config.counts``, and with
    training cells of random composition (``transform.cells``).

    Args:
        features: Width of the network's features of a chromosome.
        classes: Number of classes.
        config: Width of a token, blocks, heads of attention, and the share of attention weights, hidden values and
            features that are dropped in training.
    """

    def __init__(self, features: int, classes: int, config: ContextConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.features = nn.Sequential(nn.LayerNorm(features), nn.Dropout(config.dropout), nn.Linear(features, width))
        self.facts = nn.Linear((2 if config.counts else 1) * classes + MEASURES, width)
        self.blocks = nn.ModuleList(Block(width, config.heads, config.dropout) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width)
        self.correction = nn.Linear(width, classes)
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(self.correction.bias)

    def forward(
        self, features: torch.Tensor, logits: torch.Tensor, measures: torch.Tensor, cell: torch.Tensor
    ) -> torch.Tensor:
        """Return what is to be added to the logits, float, shape (B, K).

        Args:
            features: The network's features of each chromosome, float, shape (B, features).
            logits: Its logits, float, shape (B, K).
            measures: See ``measure``, float, shape (B, MEASURES).
            cell: Number of the cell of each chromosome, int64 from 0, shape (B,).
        """
        index = CellIndex(cell)
        logs = F.log_softmax(logits.float(), dim=1)
        facts = [logs.clamp(min=LEAST_LOG), index.relative(measures)]
        if self.config.counts:
            chances = logs.exp()
            facts.append(index.total(chances) - chances)
        tokens = index.pad(self.features(features) + self.facts(torch.cat(facts, dim=1)))
        look = F.normalize(index.pad(index.relative(features.float())), dim=2)
        similarity = look @ look.transpose(1, 2)
        for block in self.blocks:
            tokens = block(tokens, similarity, index.present)
        correction: torch.Tensor = self.correction(self.norm(index.flatten(tokens)))
        return correction
