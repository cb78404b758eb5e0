"""The classifier: what goes in, what comes out, and what its loss weighs."""

import pytest
import safetensors.torch
import timm
import torch
from pytorch_lightning.utilities.parsing import lightning_setattr
from torch import nn

from karyocyte.common.errors import UserError
from karyocyte.config.schema import InferenceConfig, LossConfig, StageConfig
from karyocyte.runs.facts import ModelFacts
from lightning_modules.build.create import create_classifier
from lightning_modules.modules.classifier import Classifier
from lightning_modules.optimizers import TrainingSettings
from lightning_modules.training.predict import LightningPredictor
from tests.lightning_modules.tiny import fit_a_batch


class Echo(nn.Module):
    """A backbone that keeps what it was given."""

    def forward_features(self, image):
        self.seen = image
        return image.mean((2, 3))


def classifier(logits, classes, smoothing=0.0):
    facts = ModelFacts([0.5, 0.4, 0.3], [0.2, 0.1, 0.5], {})
    settings = TrainingSettings(LossConfig(label_smoothing=smoothing))
    return Classifier(Echo(), nn.Linear(3, logits), classes, facts, settings)


def test_images_in_0_1_reach_the_backbone_normalised_by_what_its_weights_expect():
    model, image = classifier(1, 2), torch.rand(2, 3, 4, 4)
    model(image)
    for channel, (mean, std) in enumerate([(0.5, 0.2), (0.4, 0.1), (0.3, 0.5)]):
        torch.testing.assert_close(model.backbone.seen[:, channel], (image[:, channel] - mean) / std)


def test_one_logit_is_the_log_odds_of_class_1():
    probabilities = classifier(1, 2).probabilities(torch.tensor([[0.0], [torch.logit(torch.tensor(0.8))]]))
    torch.testing.assert_close(probabilities, torch.tensor([[0.5, 0.5], [0.2, 0.8]]))


def test_label_smoothing_is_of_the_training_loss_alone():
    smooth, plain = classifier(3, 3, smoothing=0.1), classifier(3, 3)
    logits, label = torch.randn(4, 3), torch.tensor([0, 1, 2, 0])
    assert not torch.isclose(smooth.training_loss(logits, label), plain.training_loss(logits, label))
    torch.testing.assert_close(smooth.validation_loss(logits, label), plain.validation_loss(logits, label))


def test_a_state_dict_holds_the_weights_and_nothing_of_the_data():
    assert set(classifier(1, 2).state_dict()) == {"head.weight", "head.bias"}


@pytest.mark.parametrize("mirror", [False, True])
def test_the_mirror_image_counts_as_much_as_the_image_where_asked(mirror):
    model = classifier(3, 3)
    # A backbone that sees left from right: the mean of the left half of each channel.
    model.backbone.forward_features = lambda image: image[..., :2].mean((2, 3))
    image, index = torch.rand(4, 3, 4, 4), torch.arange(4)
    predictor = LightningPredictor(model, InferenceConfig(mirror=mirror))
    output = predictor.predict_step({"image": image, "index": index}, 0)
    one, other = (model.probabilities(model(view)) for view in (image, image.flip(-1)))
    assert not torch.allclose(one, other)
    torch.testing.assert_close(output["probability"], (one + other) / 2 if mirror else one)
    assert torch.equal(output["index"], index)


@pytest.mark.parametrize("classes", [2, 3])
def test_a_classifier_built_by_names_trains_and_predicts_with_a_plain_trainer(classes):
    model = create_classifier("resnet18", classes, cut="layer1", image_size=32, lr=0.01)
    before = {name: value.clone() for name, value in model.named_parameters()}
    trainer, loader = fit_a_batch(model)
    moved = {name.split(".")[0] for name, value in model.named_parameters() if not torch.equal(value, before[name])}
    assert moved == {"backbone", "head"}
    scores = ("loss", "acc", "auc", "f1_weighted", "precision", "recall")
    assert trainer.test(model, loader, verbose=False)[0].keys() == {f"test/{name}" for name in scores}
    outputs = trainer.predict(model, loader)
    torch.testing.assert_close(outputs[0]["probability"].sum(1), torch.ones(4))


def test_a_classifier_built_by_names_takes_weights_of_the_folder_in_the_environment(tmp_path, monkeypatch):
    state = timm.create_model("resnet10t", num_classes=0).state_dict()
    (tmp_path / "resnet10t.c3_in1k.safetensors").write_bytes(safetensors.torch.save(state))
    monkeypatch.setenv("KARYOCYTE_WEIGHTS_DIR", str(tmp_path))
    model = create_classifier("resnet10t", 3, weights="resnet10t.c3_in1k", image_size=32)
    assert torch.equal(model.backbone.state_dict()["layer1.0.conv1.weight"], state["layer1.0.conv1.weight"])


def trained(tmp_path, **arguments):
    model = create_classifier(**{"weights": "random", "image_size": 32, **arguments})
    trainer, loader = fit_a_batch(model)
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    return model.eval(), next(iter(loader))["image"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"backbone": "resnet18", "num_classes": 3, "cut": "layer1", "head": ["flatten", {"dense": 8}]},
        {"experiment": "anet_c6_chromosomes"},
        {"experiment": "resnet50_cut_block5"},
    ],
)
def test_a_checkpoint_is_loaded_without_further_arguments(arguments, tmp_path):
    model, image = trained(tmp_path, **arguments)
    loaded = Classifier.load_from_checkpoint(tmp_path / "model.ckpt")
    assert dict(loaded.hparams) == dict(model.hparams)
    assert loaded.facts() == model.facts()
    assert torch.equal(loaded.eval()(image), model(image))
    loaded = Classifier.load_from_checkpoint(str(tmp_path / "model.ckpt"), lr=0.5)
    assert loaded.configure_optimizers().defaults["lr"] == 0.5


def test_of_a_checkpoint_a_misspelt_hyperparameter_or_another_file_is_refused(tmp_path):
    trained(tmp_path, backbone="resnet18", num_classes=3, cut="layer1")
    with pytest.raises(UserError, match="close to it: lr"):
        Classifier.load_from_checkpoint(tmp_path / "model.ckpt", Lr=0.5)
    torch.save({"state_dict": {}}, tmp_path / "other.ckpt")
    with pytest.raises(UserError, match="does not say"):
        Classifier.load_from_checkpoint(tmp_path / "other.ckpt")


def test_a_compiled_classifier_trains():
    model = create_classifier("resnet18", 3, cut="layer1", image_size=32, lr=0.01)
    before = model.head.logits.weight.clone()
    compiled = torch.compile(model, backend="eager")
    trainer, loader = fit_a_batch(compiled)
    assert not torch.equal(model.head.logits.weight, before)
    assert trainer.predict(compiled, loader)[0]["probability"].shape == (4, 3)


def test_the_head_may_train_at_a_rate_of_its_own():
    model = create_classifier("resnet18", 2, cut="layer1", image_size=32)
    model.configure_stage(StageConfig(train=("layer1",), lr=0.01, head_lr=0.05))
    names = {parameter: name for name, parameter in model.named_parameters()}
    rates = {}
    for group in model.configure_optimizers().param_groups:
        rates |= {names[parameter]: group["lr"] for parameter in group["params"]}
    expected = {name: 0.05 for name, _ in model.named_parameters() if name.startswith("head.")}
    assert rates == {name: 0.01 for name in names.values() if name.startswith("backbone.layer1.")} | expected


def test_lightnings_search_of_a_rate_sets_that_of_the_optimizer():
    model = create_classifier("resnet18", 3, cut="layer1", image_size=32)
    lightning_setattr(model, "lr", 0.25)  # as its Tuner does
    assert (model.hparams.lr, model.configure_optimizers().defaults["lr"]) == (0.25, 0.25)
