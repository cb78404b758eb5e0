"""Where ResNet-50 halves the image: ``python -m benchmarks.networks.strides WEIGHTS CIFAR10.zip --csv FILE``."""

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import pandas as pd
import torch
import typer
from torch import nn

from benchmarks.shared import show, write
from common.cli import TYPER, examples, report_user_errors
from common.config.schema import ModelConfig
from common.errors import UserError
from lightning_modules.backbones.backbone import build_backbone
from lightning_modules.backbones.pretrained import build_pretrained

SIZE = 224  # pixels
BATCH = 20
CUT = "layer3"
LAYERS = ("layer1", "layer2", "layer3")
# Name -> timm's model and its arguments.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "as published": ("resnet50_v1", {"stem_pool": "caffe"}),
    "as in Keras": ("resnet50_v1", {}),
    "timm's strides": ("resnet50", {}),
}

app = typer.Typer(**TYPER)
Weights = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Of resnet50_v1, .safetensors.")]
Archive = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A zip of photographs, such as CIFAR-10.")]
Count = Annotated[int, typer.Option("--images", min=2, help="Photographs, evenly spaced in the archive.")]
Csv = Annotated[Path | None, typer.Option(help="Write the table to this file.")]


def read_images(archive: Path, count: int) -> torch.Tensor:
    """Return photographs of a zip, enlarged to 224 px: float32, (count, 3, 224, 224), RGB in [0, 1]."""
    images = []
    with zipfile.ZipFile(archive) as file:
        names = sorted(name for name in file.namelist() if name.lower().endswith((".jpg", ".jpeg", ".png")))
        if len(names) < count:
            raise UserError(f"{archive} has {len(names)} images: say --images {len(names)} or fewer")
        for name in names[:: len(names) // count][:count]:
            image = cv2.imdecode(np.frombuffer(file.read(name), np.uint8), cv2.IMREAD_COLOR)
            if image is None:
                raise UserError(f"{archive}: {name} cannot be read")
            image = cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
            images.append(torch.from_numpy(image[..., ::-1].copy()).permute(2, 0, 1))
    return torch.stack(images).float() / 255


def variance_ratios(network: nn.Module, batches: Sequence[torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return, of each BatchNorm layer, the variance of its input divided by the running one, per channel.

    Args:
        network: In eval mode.
        batches: Normalised images, (B, 3, H, W) each; the variance is over all of them and all places.

    Returns:
        Float64, (channels,), by name of the layer.
    """
    layers = {name: layer for name, layer in network.named_modules() if isinstance(layer, nn.BatchNorm2d)}
    sums = {name: torch.zeros(3, layer.num_features, dtype=torch.float64) for name, layer in layers.items()}
    handles = [layer.register_forward_pre_hook(_adder(sums[name])) for name, layer in layers.items()]
    with torch.inference_mode():
        for batch in batches:
            network(batch)
    for handle in handles:
        handle.remove()
    ratios = {}
    for name, layer in layers.items():
        count, total, squares = sums[name]
        assert layer.running_var is not None
        ratios[name] = (squares / count - (total / count) ** 2) / layer.running_var
    return ratios


def _adder(sums: torch.Tensor) -> Any:
    """Return a hook that adds number, sum and sum of squares of each channel of a layer's input."""

    def add(_: nn.Module, inputs: tuple[torch.Tensor]) -> None:
        values = inputs[0].double().transpose(0, 1).flatten(1)
        sums.add_(torch.stack([torch.full_like(values[:, 0], values.shape[1]), values.sum(1), (values**2).sum(1)]))

    return add


def measure(weights: Path, archive: Path, count: int) -> Iterator[dict[str, Any]]:
    """Yield the median of the ratios of each layer of each variant, all with the same weights."""
    model = ModelConfig(name="resnet50_v1", args={}, cut=CUT, weights=str(weights))
    published, info = build_pretrained(model, str(weights), SIZE)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (info.mean, info.std))
    batches = torch.tensor_split((read_images(archive, count) - mean) / std, -(-count // BATCH))
    for variant, (name, args) in VARIANTS.items():
        network = build_backbone(name, args, CUT, SIZE).module.eval()
        network.load_state_dict(published.module.state_dict())
        ratios = variance_ratios(network, batches)
        for layer in LAYERS:
            of_layer = torch.cat([values for key, values in ratios.items() if key.startswith(layer)])
            row = {"network": variant, "layer": layer, "channels": len(of_layer), "images": count}
            yield row | {"ratio": float(of_layer.median())}


@app.command(epilog=examples("python -m benchmarks.networks.strides resnet50_v1.safetensors cifar10.zip"))
@report_user_errors()
def strides(weights: Weights, archive: Archive, images: Count = 200, csv: Csv = None) -> None:
    """Compare the variances before BatchNorm with the running ones, with weights of ResNet-50 as published.

    Near 1 where the network computes what it was trained to, on photographs like those of its training.
    """
    table = pd.DataFrame(measure(weights, archive, images))
    show(table, "variance before BatchNorm divided by the running one, median of the channels", table.columns)
    write(table, csv)


if __name__ == "__main__":
    app()
