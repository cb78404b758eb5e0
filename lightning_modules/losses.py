"""Further terms of the training loss: supervised contrast of the features, and the targets of teachers."""

import torch
import torch.nn.functional as F


def supervised_contrast(features: torch.Tensor, label: torch.Tensor, temperature: float) -> torch.Tensor:
    """Return the supervised contrastive loss of a batch, a scalar.

    Images of one class are drawn together on the unit sphere, away from the others (Khosla et al., Supervised
    Contrastive Learning, NeurIPS 2020, the sum outside of the logarithm). An image that is alone in its class has no
    term of its own; where all are, the loss is 0.

    Args:
        features: float, shape (B, D), of any length.
        label: Class indices, int64, shape (B,).
        temperature: Above 0; a small one lets the nearest images of other classes count most.
    """
    directions = F.normalize(features.to(torch.promote_types(features.dtype, torch.float32)), dim=1)
    with torch.autocast(features.device.type, enabled=False):  # divided by the temperature, bfloat16 is too coarse
        similarity = directions @ directions.T / temperature
    itself = torch.eye(len(label), dtype=torch.bool, device=label.device)
    log_shares = similarity - similarity.masked_fill(itself, -torch.inf).logsumexp(1, keepdim=True)
    positive = (label[:, None] == label) & ~itself
    counts = positive.sum(1)
    means = torch.where(positive, log_shares, 0.0).sum(1) / counts.clamp(min=1)
    return -means.sum() / (counts > 0).sum().clamp(min=1)


def soft_cross_entropy(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the mean cross-entropy of logits (B, K) against probabilities (B, K)."""
    return F.cross_entropy(logits.float(), target)
