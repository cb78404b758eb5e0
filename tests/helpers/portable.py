"""Portable models in tests: runs to export."""

from pathlib import Path

from tests.helpers.training import run_undrawn, small_config

TINY = ["model=resnet18", "model.cut=layer1", "trainer.max_epochs=1", "unfreeze=head_only", "protocol=image"]


def train_on_cells(images: Path) -> list[Path]:
    """Train two runs of one fold on folders of the classes hem and all, with mirrored images; return their folders."""
    data = ["data=folder", "data.positive_class=all", f"data_dir={images}", "inference.mirror=true"]
    configs = [small_config(images.parent, *TINY, f"seed={seed}", "name=cells", data=data) for seed in range(2)]
    return [run_undrawn(config) for config in configs]


def train_on_chromosomes(data: Path, *overrides: str) -> Path:
    """Train a run on single chromosomes of ``data``, as their experiment but small; return its folder."""
    net = ["model=resnet18", "model.cut=layer1", "trainer.max_epochs=2", "trainer.precision=32-true"]
    canvas = ["prepare.size=[64,24]", "prepare.canvas.area=150", f"data_dir={data}"]
    data_set = ["data=chromosomes"]
    return run_undrawn(small_config(data.parent, *net, *canvas, *overrides, experiment="chromosomes", data=data_set))
