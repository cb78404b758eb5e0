"""The loss of a classifier: cross-entropy, or another class that ``loss._target_`` names."""

import torch
import torch.nn.functional as F
from torch import nn

from karyocyte.common.errors import UserError, first_line
from karyocyte.config.build import build
from karyocyte.config.schema import LossConfig
from lightning_modules.support.compat import forget_buffers
from lightning_modules.support.distributed import all_reduce, current_world


class CrossEntropy(nn.Module):
    """The mean loss: binary cross-entropy for one logit, for more cross-entropy with label smoothing."""

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__()
        if not 0.0 <= label_smoothing < 1.0:
            raise ValueError(f"label_smoothing={label_smoothing} must be from 0 to below 1")
        self.label_smoothing = label_smoothing

    def forward(self, logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        """Return the loss, a scalar, of logits (B, K), or (B, 2K) with orientation, and their indices, int64, (B,)."""
        if logits.shape[1] == 1:
            target = label.to(logits.dtype).unsqueeze(1)
            return F.binary_cross_entropy_with_logits(logits, target, reduction="sum") / len(label)
        return F.cross_entropy(logits, label, label_smoothing=self.label_smoothing)


class OwnLoss(nn.Module):
    """A loss that the configuration names, for training and validation.

    It takes logits (B, K) and labels, int64 (B,), as ``torch.nn.CrossEntropyLoss`` does; of a single logit it takes
    logits and labels as float (B,), as ``torch.nn.BCEWithLogitsLoss`` does. Its buffers are no part of a checkpoint.
    """

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        """Return the loss, a scalar."""
        if logits.shape[1] == 1:
            logits = logits[:, 0]
            label = label.to(logits.dtype)
        value: torch.Tensor = self.loss(logits, label)
        return value


def build_losses(config: LossConfig) -> tuple[nn.Module, nn.Module]:
    """Return the losses of training and of validation; the second has no label smoothing.

    Raises:
        UserError: ``loss._target_`` cannot be built, has weights of its own to train, or gives no single number.
    """
    loss = build("loss", config.entry, nn.Module)
    if isinstance(loss, CrossEntropy):
        return loss, CrossEntropy()
    if any(parameter.requires_grad for parameter in loss.parameters()):
        raise UserError(f"loss: {config.target} has weights of its own, which no stage trains: name a loss without any")
    forget_buffers(loss)
    own = OwnLoss(loss)
    return own, own


def check_loss(loss: nn.Module, logits: int) -> None:
    """Refuse a loss that does not take so many logits, gives no single number, or does not favour the true class.

    Raises:
        UserError: With the loss's own error.
    """
    label = torch.tensor([1, 1])
    scores = F.one_hot(label, max(logits, 2)).float()[:, -logits:]
    try:
        right = loss(4 * scores, label)
        wrong = loss(-4 * scores, label)
    except Exception as error:  # losses refuse shapes and types in many ways
        raise UserError(f"loss._target_: {first_line(error)} (for {logits} logits: head.logits)") from error
    if not isinstance(right, torch.Tensor) or right.numel() != 1:
        raise UserError("loss._target_ gives no single number: leave its reduction at mean")
    if not right < wrong:  # cross-entropy takes a single logit for one class, which is always right
        raise UserError(f"loss._target_ is no smaller for the true class with head.logits={logits}: set another number")


def share_of_loss(loss: torch.Tensor, images: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return this rank's share of the mean loss of the global batch, and the loss to log.

    The ranks may have different numbers of ``images``, of which ``loss`` is the mean. The mean of the first over the
    ranks is that of the global batch: DDP averages the gradients, and so trains as a single process does. The mean of
    the second over all images of an epoch is the epoch's.
    """
    processes = current_world().size
    if processes == 1:
        return loss, loss
    total = all_reduce(torch.tensor(float(images), dtype=torch.float64, device=loss.device))
    share = loss * (images * processes / total).to(loss.dtype)
    return share, share.detach() * (total / (processes * images)).to(loss.dtype)
