"""What a refiner is trained by."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from cytogenetics.metaphases.networks.refiner import SMOOTH, BoxRefiner, Refinement
from karyocyte.runs.facts import ModelFacts
from lightning_modules.optimizers import TrainingSettings


class Gives(nn.Module):
    """Gives the same for any boxes."""

    def __init__(self, refined):
        super().__init__()
        self.refined = refined

    def forward_features(self, image):
        return image

    def forward(self, features, size):
        return self.refined


def loss_of(refined, batch):
    network = Gives(refined)
    refiner = BoxRefiner(network, network, ModelFacts([0.0] * 3, [1.0] * 3, {}), TrainingSettings())
    images = {"image": torch.zeros(2, 3, 8, 8), "size": torch.zeros(2), "index": torch.zeros(2, dtype=torch.long)}
    return refiner.training_step({**images, **batch}, 0)


@pytest.mark.filterwarnings("ignore:You are trying to `self.log")
def test_the_loss_counts_both_scores_and_the_offsets_of_boxes_near_a_chromosome():
    batch = {"best": torch.tensor([1.0, 0.0]), "overlap": torch.tensor([0.9, 0.1]), "offsets": torch.zeros(2, 4)}
    refined = Refinement(torch.tensor([20.0, -20.0]), torch.logit(batch["overlap"]), torch.zeros(2, 4))
    least = functional.binary_cross_entropy(batch["overlap"], batch["overlap"])
    assert loss_of(refined, batch) == pytest.approx(float(least), abs=1e-5)
    wrong = refined._replace(best=torch.tensor([-20.0, -20.0]))
    assert loss_of(wrong, batch) == pytest.approx(float(least) + 10, abs=1e-4)
    far = torch.tensor([[1.0] * 4, [7.0] * 4])  # of the second box, which is near none, nothing is learned
    moved = 2 * (1 - SMOOTH / 2)
    assert loss_of(refined._replace(offsets=far), batch) == pytest.approx(float(least) + moved, abs=1e-5)


@pytest.mark.filterwarnings("ignore:You are trying to `self.log")
def test_a_batch_without_proposals_costs_nothing():
    refined = Refinement(torch.zeros(0), torch.zeros(0), torch.zeros(0, 4))
    empty = {"best": torch.zeros(0), "overlap": torch.zeros(0), "offsets": torch.zeros(0, 4)}
    assert loss_of(refined, {**empty, "index": torch.zeros(0, dtype=torch.long)}) == 0
