"""Predictions of JPEG files: what scripts/predict.py does, and the loop that a user of timm would write."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pandas as pd
import timm
import torch
from PIL import Image
from timm.data.transforms_factory import create_transform
from torch import nn
from torch.utils.data import DataLoader, Dataset

from benchmarks.shared import write_images
from benchmarks.speed.case import Case
from karyocyte.composition.compose import compose_config
from karyocyte.workflows.prediction.predict_images import predict_images
from karyocyte.workflows.prediction.predict_request import PredictRequest
from karyocyte.workflows.training import train

IMAGES = 2000
TRAINED = 40  # images of the run; the network is trained on few, since its weights do not matter here
SIZE = 96
BATCH = 32
CLASSES = 2
SETTINGS = (
    "data=folder",
    "data.positive_class=b",
    "protocol=image",
    "weights=random",
    "unfreeze=head_only",
    f"prepare.size={SIZE}",
    "prepare.crop=false",
    "prepare.clahe=false",
    "trainer.max_epochs=1",
    "trainer.accelerator=cpu",
    "trainer.enable_progress_bar=false",
    "evaluation.train_images=0",
    "logger.tensorboard=false",
    "split.near_duplicates=off",
)
NETWORKS = ("mobilenetv2_100", "resnet18")
Transform = Callable[[Image.Image], torch.Tensor]


def cases(folder: Path) -> Iterator[Case]:
    """Yield the cases: 2,000 images at 96 px by a run."""
    write_images(folder / "images", IMAGES)
    write_images(folder / "trained", TRAINED)
    images = sorted((folder / "images").rglob("*.jpg"))
    numbers = count()
    for network in NETWORKS:
        run = _train(folder, network)

        def ours(run: Path = run) -> None:
            """Predict all images into a new table."""
            words = [str(run), str(folder / "images")]
            predict_images(PredictRequest.read(words, output=folder / f"{next(numbers)}.csv"))

        by_timm = _by_timm(network, images, folder)
        yield Case(network, ours, "timm, DataLoader", by_timm, 1.5, ("timm",), IMAGES, warm_up=False)


def _train(folder: Path, network: str) -> Path:
    """Return the folder of a run of an epoch."""
    places = [f"data_dir={folder}/trained", f"cache_dir={folder}/cache", f"output_dir={folder}/outputs"]
    return train.run(compose_config([*SETTINGS, *places, f"model.name={network}"]))


def _by_timm(name: str, files: list[Path], folder: Path) -> Callable[[], None]:
    network = timm.create_model(name, num_classes=CLASSES).eval()
    transform: Transform = create_transform((3, SIZE, SIZE), is_training=False)
    loader = DataLoader(JpegFiles(files, transform), BATCH)
    return lambda: _predict_by_torch(network, loader, folder / "peer.csv")


class JpegFiles(Dataset[torch.Tensor]):
    """Reads and prepares a file."""

    def __init__(self, files: list[Path], transform: Transform) -> None:
        self.files = files
        self.transform = transform

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, item: int) -> torch.Tensor:
        with Image.open(self.files[item]) as image:
            return self.transform(image.convert("RGB"))


@torch.inference_mode()
def _predict_by_torch(network: nn.Module, loader: DataLoader[torch.Tensor], output: Path) -> None:
    logits = torch.cat(list(map(network, loader)))
    pd.DataFrame(torch.softmax(logits, 1).numpy()).to_csv(output)
