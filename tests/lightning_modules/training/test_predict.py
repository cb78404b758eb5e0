"""From a trained classifier to predictions, with the passes of Monte Carlo dropout beside them."""

import numpy as np
import pytest
import torch

from karyocyte.common.errors import UserError
from lightning_modules.prediction.mc_dropout import McDropout
from lightning_modules.training.predict import interleaved, predict
from tests.helpers.training import small_config
from tests.lightning_modules.tiny import MemoryData, build

NET = ["model=resnet18", "model.cut=layer1", "head.layers=[{dropout: 0.5},gap,{dense: 8},batchnorm,{dropout: 0.4}]"]


def sampled_config(tmp_path, *overrides):
    return small_config(tmp_path, *NET, "inference.mc_passes=6", *overrides)


def test_passes_are_those_of_mc_dropout_beside_what_is_predicted_without(tmp_path):
    config = sampled_config(tmp_path, "seed=4")
    model, data = build(config), MemoryData(count=19)
    predictions = predict(model, data, config)
    plain = predict(model, data, small_config(tmp_path, *NET, "seed=4"))
    assert predictions.probabilities == pytest.approx(plain.probabilities, abs=1e-7)
    assert plain.passes is None
    assert predictions.passes.shape == (6, 19, 2)
    logits = McDropout(model.eval(), 6, 4)(data.images.float() / 255)
    expected = torch.sigmoid(logits)[..., 0].numpy()[:, predictions.rows]
    assert predictions.passes[..., 1] == pytest.approx(expected, abs=1e-5)


def test_predictions_that_are_no_numbers_are_refused(tmp_path):
    config = sampled_config(tmp_path, "inference.mc_passes=0")
    model = build(config)
    torch.nn.init.constant_(next(model.parameters()), float("nan"))
    with pytest.raises(UserError, match=r"no numbers \(NaN\)"):
        predict(model, MemoryData(count=3), config)


def test_a_pass_sees_an_image_and_its_mirror_image_with_the_same_masks(tmp_path):
    config = sampled_config(tmp_path, "inference.mirror=true")
    model, data = build(config), MemoryData(count=5)
    predictions = predict(model, data, config)
    sampler = McDropout(model.eval(), 6, config.seed)
    image = data.images.float() / 255
    numbers = sampler.image_numbers(image)
    views = [torch.sigmoid(sampler.plain_and_passes(view, numbers)[1])[..., 0] for view in (image, image.flip(-1))]
    assert predictions.passes[..., 1] == pytest.approx((sum(views) / 2).numpy()[:, predictions.rows], abs=1e-5)


@pytest.mark.parametrize("precision", ["64-true", "bf16-true", "bf16-mixed"])
def test_the_masks_are_the_same_in_every_precision(tmp_path, precision):
    config = sampled_config(tmp_path)
    expected = predict(build(config), MemoryData(count=5), config).passes
    other = sampled_config(tmp_path, f"trainer.precision={precision}")
    predictions = predict(build(other), MemoryData(count=5), other)
    assert predictions.passes == pytest.approx(expected, abs=1e-5 if precision == "64-true" else 0.02)
    assert expected.std(axis=0).min() > 0.02


@pytest.mark.parametrize("rows", [[1] * 7, [3, 1, 2, 2, 5, 1, 1]])
@pytest.mark.parametrize("processes", [1, 2, 3])
def test_the_shares_of_processes_are_put_together_in_their_order(rows, processes):
    """An image has one row or several, so that the shares differ in length."""
    images = [np.full(count, 10 + image) for image, count in enumerate(rows)]
    values = np.split(np.arange(sum(rows)), np.cumsum(rows)[:-1])
    shares = []
    for rank in range(processes):
        own = slice(rank, None, processes)
        shares.append({"index": np.concatenate(images[own]), "value": np.concatenate(values[own])})
    whole = interleaved(shares)
    assert whole["value"].tolist() == [*range(sum(rows))]
    assert whole["index"].tolist() == np.concatenate(images).tolist()
