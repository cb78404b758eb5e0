"""The features of all images of C-NMC by frozen networks.

``python -m reproduction.persons.features FOLDER data_dir=<C-NMC folder>``: each network of ``NETWORKS`` computes the
features of every image once, as the layer before its head sees them, averaged over the positions. A file per network is
written: the images with their numbers (`datamodules.manifest.numbers`) and a column per feature.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import torch
import typer

from datamodules.image_datamodule import ImageDataModule
from datamodules.manifest.numbers import NUMBERS
from karyocyte.common.cli import report_user_errors, say
from karyocyte.common.files import atomic_path
from karyocyte.composition.compose import compose_config
from karyocyte.config.schema import as_classifier
from lightning_modules.build.build import build_classifier
from lightning_modules.training.process import set_up_torch

# Whole cells at one scale: the side of the frame is that of nearly all cut-out cells.
ONE_SCALE = ("prepare.fit=frame", "prepare.frame=340")
LITE = ("+experiment=mobilenetv2_features", "model=mobilenetv2", "balance=none", "transform=none")
LITE0 = (*LITE, "model.name=tf_efficientnet_lite0", "weights=tf_efficientnet_lite0.in1k_lukemelas")
LITE2 = (*LITE, "model.name=tf_efficientnet_lite2", "weights=tf_efficientnet_lite2.in1k_lukemelas")
NETWORKS = {
    "resnet50_cut": ("+experiment=resnet50_cut_block5_features",),
    "mobilenetv2": ("+experiment=mobilenetv2_features",),
    "lite0": LITE0,
    "mobilenetv2_scale": ("+experiment=mobilenetv2_features", *ONE_SCALE),
    "lite0_scale": (*LITE0, *ONE_SCALE),
    "resnet18_cut": ("+experiment=resnet18_cut_block5",),
    "lite2": (*LITE2, "prepare.size=260"),
}
FACTS = ["image_id", "sha256", "label", "subject", *NUMBERS]
FEATURE = "feature_"  # and its number: the columns of features


def features_of(data: ImageDataModule, rows: np.ndarray) -> np.ndarray:
    """Return the features of images, float32, shape (images, features)."""
    model = build_classifier(data.config, data.manifest.classes)[0].eval()
    found = []
    with torch.inference_mode():
        for batch in data.in_order(rows, None):
            features = model.features(batch["image"])
            found.append(features.flatten(2).mean(2).numpy() if features.ndim == 4 else features.numpy())
            say(f"{sum(map(len, found)):,} of {len(rows):,} images")
    return np.concatenate(found)


def table_of(keys: list[str]) -> pd.DataFrame:
    """Return the images of a configuration by name, with their features."""
    data = ImageDataModule(as_classifier(compose_config(keys)))
    data.prepare_data()
    data.setup()
    features = features_of(data, np.arange(len(data.manifest.frame)))
    names = [f"{FEATURE}{number}" for number in range(features.shape[1])]
    return (
        data.manifest.frame[FACTS]
        .join(pd.DataFrame(features, columns=names))
        .sort_values("image_id", ignore_index=True)
    )


def run(
    folder: Annotated[Path, typer.Argument(help="Where the files are written.")],
    overrides: Annotated[list[str], typer.Argument(help="data_dir=<C-NMC folder> and other keys of train.py.")],
    network: Annotated[list[str], typer.Option(help="Names of networks.")] = list(NETWORKS),  # noqa: B006
) -> None:
    """Compute the features of all images."""
    set_up_torch()
    for name in network:
        path = folder / f"{name}.parquet"
        if path.is_file():
            continue
        say(name)
        table = table_of([*NETWORKS[name], "protocol=subject", *overrides])
        with atomic_path(path) as temporary:
            table.to_parquet(temporary, compression="zstd")


if __name__ == "__main__":
    typer.run(report_user_errors()(run))
