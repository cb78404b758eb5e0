"""Whether and on which images trained networks are adapted."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from karyocyte.composition.compose import compose_config
from karyocyte.inference.networks import LEAST, SAMPLE, LoadedNetwork, adapts, sample_rows
from lightning_modules.build.create import create_classifier
from lightning_modules.prediction.adaptation import adapt_to_images


@pytest.mark.parametrize(
    ("experiment", "option", "expected"),
    [
        ("vgg16_chromosomes", None, False), ("vgg16_chromosomes", "images", True),
        ("chromosomes", None, True), ("chromosomes", "trained", False),
    ],
)  # fmt: skip
def test_the_option_comes_before_the_run(experiment: str, option: str | None, expected: bool):
    assert adapts(compose_config([f"+experiment={experiment}"]).inference, option) is expected


def test_a_sample_does_not_follow_the_order_of_files():
    assert sample_rows(5).tolist() == [0, 1, 2, 3, 4]
    rows = sample_rows(10_000)
    assert len(rows) == len(set(rows)) == SAMPLE
    assert rows.max() > 9_000
    assert np.array_equal(rows, sample_rows(10_000))


def test_nothing_happens_without_images_or_without_batchnorm():
    classifier = create_classifier("vit_tiny_patch16_224", num_classes=2, image_size=32)
    images = np.zeros((LEAST, 32, 32, 3), np.uint8)
    for given, words in ((images, "the network has none"), (images[1:], f"fewer than {LEAST} images")):
        network = SimpleNamespace(adapt_to=partial(adapt_to_images, classifier))
        assert words in LoadedNetwork.adapt(SimpleNamespace(network=network), given)
