"""How far an image is from the training images: in the features of a network, and in what it looks like.

The first is the distance to the tenth nearest training image (Sun et al., Out-of-Distribution Detection with Deep
Nearest Neighbors, 2022); a network that is trained to tell classes is blind to much of what makes an image unlike those
of its training, hence the second, of brightness, contrast, colour and sharpness (docs/guides/out_of_distribution.md).
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from karyocyte.common.errors import UserError
from karyocyte.common.files import write_bytes
from karyocyte.runs.files import RunFile
from karyocyte.runs.predictions import needed_images
from karyocyte.runs.run import Run

NEIGHBOURS = 10
KEPT = 2000  # training images whose features are kept, at most
LEAST_SCALE = 1e-6  # of a number that hardly varies
LEAST_VARIANCE = 1e-3  # of a sum of looks, each of variance 1
USUAL = 0.99  # share of the validation images within one unit of a distance


class Distances(nn.Module):
    """The two distances of images from the training images.

    ``tensors`` are "features" (N, D) of training images, of unit length; "looks" (8,), the mean of `looks_of` them; and
    "whitening" (8, 8), which maps them to unit covariance; all float32.
    """

    NAMES = ("features", "looks", "whitening")

    def __init__(self, tensors: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        # No buffers: Lightning would convert them to the precision of a run (bf16-true, 64-true).
        self.features = tensors["features"]
        self.looks = tensors["looks"]
        self.whitening = tensors["whitening"]

    def forward(self, image: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """Return the distances in the features and of the looks, float32, shape (B, 2).

        Of images, float in [0, 1], (B, 3, H, W), and their features: what the last layer takes, float, (B, D).
        """
        with torch.autocast(image.device.type, enabled=False):
            return self.of_described(features, looks_of(image))

    def of_described(self, features: torch.Tensor, looks: torch.Tensor) -> torch.Tensor:
        """Return the same of images by their features, (B, D), and `looks_of` them, (B, 8)."""
        for name in self.NAMES:
            setattr(self, name, getattr(self, name).to(features.device))
        similar = F.normalize(features.float(), dim=1) @ self.features.T
        nearest = similar.topk(min(NEIGHBOURS, len(self.features)), dim=1).values[:, -1]
        whitened = (looks - self.looks) @ self.whitening
        # Of unit vectors: half of the squared Euclidean distance.
        return torch.stack([1 - nearest, whitened.square().sum(1).sqrt()], dim=1)


class OutOfDistribution(nn.Module):
    """One score of the two distances, in units of its threshold: images above 1 are out of distribution.

    Each distance counts as far as it is above the median of the validation images, in units of how far their 99th
    percentile is; the score is the root of the sum of squares. ``validation`` are the distances of the validation
    images, float32, (N, 2), N at least 1, a ``share`` (0 to 1) of which is above the threshold.
    """

    def __init__(self, distances: Distances, validation: np.ndarray, share: float) -> None:
        super().__init__()
        self.distances = distances
        median = np.median(validation, axis=0)
        spread = (np.quantile(validation, USUAL, axis=0) - median).clip(min=LEAST_SCALE)
        self.median = torch.from_numpy(median).float()
        self.spread = torch.from_numpy(spread).float()
        self.threshold = 1.0
        scores = self.combined(torch.from_numpy(validation).float()).numpy()
        self.threshold = max(quantile_above(scores, share), LEAST_SCALE)
        self.validation = scores / self.threshold  # the scores of the validation images, shape (N,)

    def forward(self, image: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """Return the scores, float32, shape (B,); the arguments are those of `Distances`."""
        return self.combined(self.distances(image, features))

    def combined(self, distances: torch.Tensor) -> torch.Tensor:
        """Return the scores, (B,), of distances, (B, 2)."""
        above = ((distances - self.median.to(distances.device)) / self.spread.to(distances.device)).clamp(min=0)
        return above.square().sum(1).sqrt() / self.threshold


def quantile_above(scores: np.ndarray, share: float) -> float:
    """Return the ceil((N + 1) (1 - share))-th smallest of N validation scores, shape (N,), or the largest.

    A new score of their kind is above it with a probability of ``share`` at most, where they are ``needed_images`` or
    more (split-conformal prediction).
    """
    rank = int(np.ceil((len(scores) + 1) * (1 - share) - 1e-9))
    return float(np.sort(scores)[min(rank, len(scores)) - 1])


def looks_of(image: torch.Tensor) -> torch.Tensor:
    """Return mean and contrast of each channel and the mean steps across and down, (B, 8), of images (B, 3, H, W)."""
    image = image.float()
    grey = image.mean(1)
    across = (grey[:, :, 1:] - grey[:, :, :-1]).abs().mean((1, 2))
    down = (grey[:, 1:] - grey[:, :-1]).abs().mean((1, 2))
    means = image.mean((2, 3))
    contrasts = (image - means[:, :, None, None]).square().mean((2, 3)).sqrt()
    return torch.cat([means, contrasts, across[:, None], down[:, None]], dim=1)


def fit_distances(features: np.ndarray, looks: np.ndarray) -> Distances:
    """Fit the distances on N training images: their ``features``, float (N, D), and ``looks``, float (N, 8).

    The covariance of the looks is shrunk (Ledoit and Wolf, 2004); of the features an even sample is kept.
    """
    from sklearn.covariance import LedoitWolf  # here: slow to import, and predictions do not need it

    drawn = np.sort(np.random.default_rng(0).permutation(len(features))[:KEPT])
    kept = torch.from_numpy(features[drawn]).float()
    looks = looks.astype(np.float64)
    mean = looks.mean(axis=0)
    scale = looks.std(axis=0).clip(min=LEAST_SCALE)
    variances, axes = np.linalg.eigh(LedoitWolf(assume_centered=True).fit((looks - mean) / scale).covariance_)
    # Of grey images the channels are the same: what differs by rounding alone must not count.
    whitening = axes / np.sqrt(variances.clip(min=LEAST_VARIANCE)) / scale[:, None]
    tensors = {"features": F.normalize(kept, dim=1), "looks": torch.from_numpy(mean).float()}
    return Distances({**tensors, "whitening": torch.from_numpy(whitening).float()})


def save_distances(run: Run, distances: Distances, validation: np.ndarray) -> None:
    """Write the distances, and what they are of the validation images, float32, shape (N, 2)."""
    tensors = {"validation": torch.from_numpy(np.ascontiguousarray(validation))}
    tensors |= {name: getattr(distances, name).contiguous().cpu() for name in Distances.NAMES}
    # save_file would make a file that only its owner can read.
    write_bytes(run.path(RunFile.OUT_OF_DISTRIBUTION), save(tensors))


def export_distances(run: Run, path: Path, half: bool) -> None:
    """Write what a run has of them into another file; ``half``: the features in 16 bits."""
    tensors = load_file(run.checked(RunFile.OUT_OF_DISTRIBUTION))
    if half:  # not of the others: those of the whitening may be too large
        tensors["features"] = tensors["features"].half()
    path.write_bytes(save(tensors))


def load_out_of_distribution(path: Path, share: float) -> tuple[OutOfDistribution | None, str | None]:
    """Return the score of a file of distances, see ``OutOfDistribution``; where there is none, why, as a sentence.

    Raises:
        UserError: The file is damaged.
    """
    unmarked = "images that are out of distribution are not marked"
    if not path.exists():
        return None, f"{unmarked}: {path.parent} was trained without validation images"
    try:
        tensors = {name: values.float() for name, values in load_file(path).items()}
        validation = tensors["validation"].numpy()
        distances = Distances(tensors)
    except (SafetensorError, KeyError) as error:
        raise UserError(f"{path} is damaged: remove it, and images are not compared with those of training") from error
    if len(validation) < needed_images(share):
        return None, (
            f"{unmarked}: {path.parent} has too few validation images, {len(validation):,}; a share of {share:.2g} "
            f"needs {needed_images(share):,}: train with split.drawn_validation=share and a larger split.validation"
        )
    return OutOfDistribution(distances, validation, share), None
