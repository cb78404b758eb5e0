"""Predictions of JPEG files: what scripts/predict.py does, and the loop that a user of timm would write."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import onnxruntime
import pandas as pd
import timm
import torch
from PIL import Image
from timm.data.transforms_factory import create_transform
from torch import nn
from torch.utils.data import DataLoader, Dataset

from benchmarks.shared import write_images
from benchmarks.speed.case import Case, Peer
from karyocyte.composition.compose import compose_config
from karyocyte.workflows.export.export_model import export_model
from karyocyte.workflows.export.export_request import ExportRequest
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
ONNX_PEER = "ONNX Runtime, DataLoader"
NETWORKS = ("mobilenetv2_100", "resnet18")
Transform = Callable[[Image.Image], torch.Tensor]


def cases(folder: Path) -> Iterator[Case]:
    """Yield the cases: 2,000 images at 96 px by a run, and by the portable model of it."""
    write_images(folder / "images", IMAGES)
    write_images(folder / "trained", TRAINED)
    images = sorted((folder / "images").rglob("*.jpg"))
    numbers = count()
    for network in NETWORKS:
        run = _train(folder, network)
        portable = folder / f"{network}.portable"
        export_model(ExportRequest.read(folder=run, output=portable))
        peers = _peers(network, images, folder)
        networks = {"torch": (run, None, peers), "ONNX Runtime": (portable, "onnx", {ONNX_PEER: peers[ONNX_PEER]})}
        for words, (model, runtime, beside) in networks.items():

            def ours(model: Path = model, runtime: str | None = runtime) -> None:
                """Predict all images into a new table."""
                predict_images(_request(model, folder / "images", folder / f"{next(numbers)}.csv", runtime))

            name = f"{network}, by {words}"
            yield Case(name, ours, beside, IMAGES, rounds=3, warm_up=False)


def _train(folder: Path, network: str) -> Path:
    """Return the folder of a run of an epoch."""
    places = [f"data_dir={folder}/trained", f"cache_dir={folder}/cache", f"output_dir={folder}/outputs"]
    return train.run(compose_config([*SETTINGS, *places, f"model.name={network}"]))


def _request(model: Path, images: Path, output: Path, runtime: str | None) -> PredictRequest:
    words = [str(model), str(images)]
    if runtime:
        words.append(f"runtime={runtime}")
    return PredictRequest.read(words, output=output)


def _peers(name: str, files: list[Path], folder: Path) -> dict[str, Peer]:
    network = timm.create_model(name, num_classes=CLASSES).eval()
    transform: Transform = create_transform((3, SIZE, SIZE), is_training=False)
    loader = DataLoader(JpegFiles(files, transform), BATCH)
    output = folder / "peer.csv"
    graph = folder / f"{name}.onnx"
    axes = {"image": {0: "batch"}}
    image = torch.zeros(2, 3, SIZE, SIZE)
    torch.onnx.export(network, (image,), graph, input_names=["image"], dynamic_axes=axes, dynamo=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    return {
        "timm, DataLoader": Peer(lambda: _predict_by_torch(network, loader, output), 1.5, ("timm",)),
        ONNX_PEER: Peer(lambda: _predict_by_onnx(session, loader, output), 0.95, ("onnxruntime",)),
    }


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


def _predict_by_onnx(session: onnxruntime.InferenceSession, loader: DataLoader[torch.Tensor], output: Path) -> None:
    logits = [torch.from_numpy(session.run(None, {"image": images.numpy()})[0]) for images in loader]
    pd.DataFrame(torch.softmax(torch.cat(logits), 1).numpy()).to_csv(output)
