"""What the cutter is trained by."""

import pytest
import torch
from torch import nn

from cytogenetics.metaphases.networks.cutter import DICE_WEIGHT, Cutter
from karyocyte.runs.facts import ModelFacts
from lightning_modules.optimizers import TrainingSettings


class Sees(nn.Module):
    """Gives, of each pixel, logits of +20 and -20 by its first channel."""

    def forward_features(self, image):
        return 40 * image[:, :1] - 20


@pytest.mark.filterwarnings("ignore:You are trying to `self.log")
def test_right_masks_cost_nothing_and_wrong_ones_cross_entropy_and_dice():
    cutter = Cutter(Sees(), nn.Identity(), ModelFacts([0.0] * 3, [1.0] * 3, {}), TrainingSettings())
    masks = torch.zeros(2, 8, 8)
    masks[:, 2:6, 2:6] = 1
    images = masks[:, None].expand(-1, 3, -1, -1)
    wrong = {"image": 1 - images, "mask": masks}
    assert cutter.training_step({"image": images, "mask": masks}, 0) == pytest.approx(0, abs=1e-5)
    # Each pixel costs 20; none is shared, of the 64 that either has.
    assert cutter.training_step(wrong, 0) == pytest.approx(20 + DICE_WEIGHT * (1 - 1 / 65), rel=1e-4)
