"""Comparisons of homologues start from the backbone of another run, and do not depend on the order of the two."""

import pytest
import torch

from common.errors import UserError
from lightning_modules.checkpoint_io import read_checkpoint
from lightning_modules.pair_classifier import CUTS, PairClassifier, beside_partner, build_pair_classifier, rows_to_cut
from tests.helpers.training import small_config, write_untrained_run

SMALL = ("prepare.size=[64,32]", "trainer.precision=32-true")
DRAWN = ["data=synthetic_chromosomes"]


def built(tmp_path, *overrides: str) -> PairClassifier:
    config = small_config(tmp_path, *SMALL, *overrides, experiment="homologue_pairs", data=DRAWN)
    return build_pair_classifier(config)[0].eval()


@pytest.fixture(scope="module")
def chromosomes(tmp_path_factory):
    """A run that names single chromosomes, with the whole ResNet-18."""
    home = tmp_path_factory.mktemp("chromosomes")
    config = small_config(home, *SMALL, experiment="chromosomes_any", data=DRAWN)
    write_untrained_run(home / "run", config, tuple(str(number) for number in range(24)))
    return home / "run"


def test_the_backbone_of_single_chromosomes_is_taken(tmp_path, chromosomes):
    model = built(tmp_path, f"init_from={chromosomes}", "seed=1")
    theirs = read_checkpoint(next(chromosomes.rglob("*.ckpt")))["state_dict"]
    own = {f"backbone.{name}": values for name, values in model.backbone.state_dict().items()}
    assert len(own) < sum(name.startswith("backbone.") for name in theirs)
    for name, values in own.items():
        assert torch.equal(values, theirs[name]), name
    other = built(tmp_path, "seed=1")
    assert not torch.equal(other.backbone.state_dict()["conv1.weight"], theirs["backbone.conv1.weight"])


def test_a_run_of_another_network_is_refused(tmp_path, chromosomes):
    with pytest.raises(UserError, match="has no layer like .* here: name a run with the same model.name"):
        built(tmp_path, f"init_from={chromosomes}", "model.name=resnet34")


def test_only_which_chromosome_it_is_depends_on_their_order(tmp_path):
    model = built(tmp_path)
    image = torch.rand(3, 2, 64, 32, generator=torch.Generator().manual_seed(0))
    chromosome = torch.tensor([0, 5, 22])
    with torch.no_grad():
        there, back = model.compare(image, chromosome), model.compare(image.flip(1), chromosome)
    assert torch.allclose(there.abnormal, back.abnormal, atol=1e-4)
    assert torch.allclose(there.kind, back.kind, atol=1e-4)
    assert torch.allclose(there.which, -back.which, atol=1e-4)
    assert torch.allclose(there.place, back.place.flip(1), atol=1e-4)


def test_the_backbone_sees_a_chromosome_its_partner_and_their_difference():
    image = torch.tensor([0.2, 0.6]).reshape(1, 2, 1, 1).expand(1, 2, 4, 4)
    channels = beside_partner(image, image.flip(1))
    assert channels.shape == (2, 3, 4, 4)
    assert channels[0, :, 0, 0].tolist() == pytest.approx([0.2, 0.6, 0.3])
    assert channels[1, :, 0, 0].tolist() == pytest.approx([0.6, 0.2, 0.7])


def pair_of_height(rows: int, seed: int = 0) -> torch.Tensor:
    """Return two chromosomes of noise, of so many rows in the middle of a canvas."""
    image = torch.zeros(1, 2, 176, 32)
    top = (176 - rows) // 2
    noise = torch.rand(1, 2, rows, 20, generator=torch.Generator().manual_seed(seed))
    image[:, :, top : top + rows, 6:26] = 0.1 + 0.9 * noise
    return image


def test_rows_of_ground_alone_are_cut():
    image = torch.cat([pair_of_height(rows) for rows in (40, 60, 100, 120, 170)])
    assert rows_to_cut(image).tolist() == [56, 40, 24, 24, 0]
    image[0, 1, 10, 16] = 1.0  # a speck far above the chromosome
    assert rows_to_cut(image)[0] == 0
    assert rows_to_cut(image[..., :20, :])[4] == 0  # nothing, and too few rows for a cut


def test_a_pair_is_compared_alike_beside_any_others(tmp_path):
    model = built(tmp_path, "prepare.size=[176,32]")
    image = torch.cat([pair_of_height(rows, seed) for seed, rows in enumerate((170, 40, 100, 42, 60))])
    chromosome = torch.arange(5)
    with torch.no_grad():
        together = model.compare(image, chromosome)
        alone = [model.compare(image[number, None], chromosome[number, None]) for number in range(5)]
    assert torch.allclose(together.abnormal, torch.cat([each.abnormal for each in alone]), atol=1e-4)
    assert torch.allclose(together.place, torch.cat([each.place for each in alone]), atol=1e-4)


def test_what_is_cut_changes_features_only_near_the_cut(tmp_path, monkeypatch):
    model = built(tmp_path, "prepare.size=[176,32]", "model.cut=layer1")
    image = pair_of_height(60)
    with torch.no_grad():
        cut = model.features_of_pairs(image, image.flip(1))
        monkeypatch.setattr("lightning_modules.pair_classifier.CUTS", ())
        whole = model.features_of_pairs(image, image.flip(1))
    assert cut.shape == whole.shape
    assert not cut[..., : CUTS[1] // 4, :].any()
    middle = slice(20, 24)  # rows that no border reaches
    assert torch.allclose(cut[..., middle, :], whole[..., middle, :], atol=1e-5)
    assert not torch.allclose(cut, whole, atol=1e-2)
