"""Predictions of JPEG files: what scripts/predict.py does, and the loop that a user of timm would write."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pandas as pd
import timm
import torch
from timm.data.dataset import ImageDataset
from timm.data.transforms_factory import create_transform
from torch.utils.data import DataLoader

from benchmarks.shared import write_images
from benchmarks.speed.case import Case
from benchmarks.speed.training import settings
from karyocyte.composition.compose import compose_config
from karyocyte.workflows.prediction.predict_images import predict_images
from karyocyte.workflows.prediction.predict_request import PredictRequest
from karyocyte.workflows.training import train

IMAGES = 2000
TRAINED = 40  # images of the run; the network is trained on few, since its weights do not matter here
SIZE = 96
BATCH = 32
CLASSES = 2
NETWORKS = ("mobilenetv2_100", "resnet18")


def cases(folder: Path) -> Iterator[Case]:
    """Yield the cases: 2,000 images at 96 px by a run."""
    images = folder / "images"
    write_images(images, IMAGES)
    write_images(folder / "trained" / "images", TRAINED)
    numbers = count()
    for network in NETWORKS:
        run = train.run(compose_config(settings(folder / "trained", network, SIZE, BATCH, epochs=1)))

        def ours(run: Path = run) -> None:
            """Predict all images into a new table."""
            predict_images(PredictRequest.read([str(run), str(images)], output=folder / f"{next(numbers)}.csv"))

        by_timm = _by_timm(network, images, folder / "peer.csv")
        yield Case(network, ours, "timm, DataLoader", by_timm, 1.5, ("timm",), IMAGES)


def _by_timm(name: str, images: Path, output: Path) -> Callable[[], None]:
    network = timm.create_model(name, num_classes=CLASSES).eval()
    transform = create_transform((3, SIZE, SIZE), is_training=False)
    dataset = ImageDataset(str(images), transform=transform)  # type: ignore[no-untyped-call]
    loader = DataLoader(dataset, BATCH)

    @torch.inference_mode()
    def predict() -> None:
        """Predict all images into a table."""
        logits = torch.cat([network(batch) for batch, _ in loader])
        pd.DataFrame(torch.softmax(logits, 1).numpy()).to_csv(output)

    return predict
