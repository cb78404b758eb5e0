"""The loss of a classifier: cross-entropy, or another class that ``loss._target_`` names."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from karyocyte.common.errors import UserError, first_line
from karyocyte.config.build import build
from karyocyte.config.schema import LossConfig
from lightning_modules.support.compat import forget_buffers
from lightning_modules.support.distributed import all_reduce, current_world


class CrossEntropy(nn.Module):
    """The mean loss: binary cross-entropy for one logit, for more cross-entropy with label smoothing.

    With ``class_weights`` the loss of each image is multiplied by the weight of its class.
    """

    def __init__(self, label_smoothing: float = 0.0, class_weights: Sequence[float] | None = None) -> None:
        super().__init__()
        if not 0.0 <= label_smoothing < 1.0:
            raise ValueError(f"label_smoothing={label_smoothing} must be from 0 to below 1")
        self.label_smoothing = label_smoothing
        self.class_weights: torch.Tensor | None
        weights = None if class_weights is None else torch.tensor(class_weights)
        self.register_buffer("class_weights", weights, persistent=False)

    def forward(self, logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        """Return the loss, a scalar, of logits (B, K), or (B, 2K) with orientation, and their indices, int64, (B,)."""
        if self.class_weights is not None:
            # With orientation the classes come twice.
            return (self.class_weights[label % len(self.class_weights)] * self._of_images(logits, label)).mean()
        if logits.shape[1] == 1:
            target = label.to(logits.dtype).unsqueeze(1)
            return F.binary_cross_entropy_with_logits(logits, target, reduction="sum") / len(label)
        return F.cross_entropy(logits, label, label_smoothing=self.label_smoothing)

    def _of_images(self, logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        if logits.shape[1] == 1:
            return F.binary_cross_entropy_with_logits(logits[:, 0], label.to(logits.dtype), reduction="none")
        return F.cross_entropy(logits, label, label_smoothing=self.label_smoothing, reduction="none")


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
    # What "balanced" stands for follows from the images: `with_class_weights`.
    weights = None if config.class_weights == "balanced" else config.class_weights
    loss = build("loss", config.entry, nn.Module, class_weights=weights)
    if isinstance(loss, CrossEntropy):
        return loss, CrossEntropy(class_weights=weights)
    if config.class_weights:
        raise UserError(f"loss.class_weights: {config.target} takes none: leave it out, or leave out loss._target_")
    if any(parameter.requires_grad for parameter in loss.parameters()):
        raise UserError(f"loss: {config.target} has weights of its own, which no stage trains: name a loss without any")
    forget_buffers(loss)
    own = OwnLoss(loss)
    return own, own


def with_class_weights(config: LossConfig, classes: Sequence[str], labels: np.ndarray) -> LossConfig:
    """Return the loss with a number for each class in place of "balanced", from the labels of the training images.

    A class weighs (images) / (classes * its images), so that all weigh the same, and the mean weight of an image is 1.

    Raises:
        UserError: A class has no training image, or there are not as many weights as classes.
    """
    weights = config.class_weights
    if weights == "balanced":
        counts = np.bincount(labels, minlength=len(classes))
        if not counts.all():
            absent = classes[int(counts.argmin())]
            raise UserError(f"loss.class_weights=balanced: no image of {absent} trains: give a list")
        weights = tuple((len(labels) / (len(classes) * counts)).tolist())
    if weights is not None and len(weights) != len(classes):
        raise UserError(
            f"loss.class_weights has {len(weights)} numbers for the {len(classes)} classes {', '.join(classes)}"
        )
    return config.model_copy(update={"class_weights": weights})


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
