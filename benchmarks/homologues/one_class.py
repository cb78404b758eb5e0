"""Training on normal pairs only: rows as a network of photographs sees them, softly aligned and compared."""

import torch
import torch.nn.functional as F

from benchmarks.homologues.band_profile import GROUND
from benchmarks.homologues.items import Differences
from common.config.schema import Config
from datamodules.homologues.pairs import TOKEN
from lightning_modules.pair_classifier import PairClassifier, build_pair_classifier

NEAR = 3.0  # tokens: standard deviation of how far from its place a row is looked for
SHARPNESS = 20.0  # of the choice among them: factor of the cosine
WINDOW = 3  # tokens over which a distance is averaged


class RowDistances:
    """Compares pairs by the features of their rows.

    Args:
        model: A comparison of homologues with its first weights: only its backbone is used.
        sample: Normal pairs, float32 in [0, 1], shape (N, 2, H, W): the features are standardised on them.
    """

    def __init__(self, model: PairClassifier, sample: torch.Tensor) -> None:
        self.model = model.eval()
        single = one_by_one(sample)
        with torch.inference_mode():
            tokens = self._features(single)[single[:, 0].amax(2)[:, TOKEN // 2 :: TOKEN] > GROUND]
        self.mean = tokens.mean(0)
        self.std = tokens.std(0).clamp(min=1e-6)

    def __call__(self, image: torch.Tensor) -> Differences:
        """Compare both chromosomes of pairs, float32 in [0, 1], shape (B, 2, H, W)."""
        features = self._features(one_by_one(image))
        tokens = torch.unflatten(F.normalize((features - self.mean) / self.std, dim=2), 0, (-1, 2))
        rows = (image > GROUND).any(3)
        covered = torch.unflatten(rows, 2, (-1, TOKEN)).any(3)
        distances = [_distance(tokens[:, one], tokens[:, 1 - one], covered[:, 1 - one]) for one in (0, 1)]
        distance = torch.stack(distances, dim=1) * covered
        smooth = F.avg_pool1d(distance, WINDOW, stride=1, padding=WINDOW // 2)
        largest, hottest = smooth.flatten(1).max(1)
        count = rows.sum(2).clamp(min=1)
        return Differences(largest, torch.log(count[:, 0] / count[:, 1]).abs(), hottest)

    def _features(self, single: torch.Tensor) -> torch.Tensor:
        """Return the features of images (N, 3, H, W), averaged over the width, shape (N, T, C)."""
        return self.model.features(single).float().mean(3).transpose(1, 2)


def one_by_one(image: torch.Tensor) -> torch.Tensor:
    """Return the chromosomes of pairs (B, 2, H, W) as images of three equal channels, shape (2 B, 3, H, W)."""
    return image.flatten(0, 1).unsqueeze(1).expand(-1, 3, -1, -1)


def _distance(own: torch.Tensor, other: torch.Tensor, covered: torch.Tensor) -> torch.Tensor:
    """Return 1 less the cosine of each token and what the other chromosome has near its place, shape (B, T)."""
    number = torch.arange(own.shape[1])
    apart = -(((number[:, None] - number) / NEAR) ** 2) / 2
    likeness = SHARPNESS * own @ other.transpose(1, 2) + apart
    likeness = likeness.masked_fill(~covered[:, None], -1e4)
    found = torch.softmax(likeness, dim=2) @ other
    return 1 - F.cosine_similarity(own, found, dim=2)


def untrained(config: Config, sample: torch.Tensor) -> PairClassifier:
    """Return the network of a run with its first weights, those of photographs where ``weights`` names such.

    Args:
        config: Of the run.
        sample: Pairs, see `RowDistances`; statistics of a folded BatchNorm are measured on them.
    """
    model, _ = build_pair_classifier(config)
    if model.folded_batchnorm:
        model.restore_batchnorm(one_by_one(sample))
    return model
