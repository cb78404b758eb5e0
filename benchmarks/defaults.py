"""The recipe for images of users beside others, on 240 images of three data sets: accuracy, CPU time, memory.

``python -m benchmarks.defaults DATA CNMC WORK --csv results/defaults.csv`` adds the rows that the table lacks. DATA is
the folder of pbc_blood_cells.zip and chromosomes_612cells.zip, CNMC that of C-NMC.
"""

import math
import resource
import shutil
import time
from itertools import product
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated, NamedTuple
from zipfile import ZipFile

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
import typer
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR

from datamodules.feature_datamodule import FeatureDataModule
from datamodules.image_datamodule import ImageDataModule
from karyocyte.common.files import write_csv
from karyocyte.composition.compose import compose_config
from karyocyte.config.recipes import as_classifier
from lightning_modules.build.build import build_classifier
from lightning_modules.modules.classifier import Classifier
from lightning_modules.training.fit import train_stages

IMAGES = 240
RATE = 2e-3  # fastai's base_lr
EPOCHS = 4
# The settings of each beside the defaults; None: not a training of ours.
RECIPES: dict[str, tuple[str, ...] | None] = {
    "before": ("unfreeze=head_then_finetune", "optimizer=adam", "loader.batch_size=32"),
    "head": ("unfreeze=head_only", "optimizer=adam", "loader.batch_size=32"),
    "fastai": None,
    "ours": (),
}


class Data(NamedTuple):
    """A data set: its images, where they are, and keys of its trainings."""

    listed: pd.DataFrame
    source: Path
    settings: tuple[str, ...] = ()


def pbc(data: Path) -> pd.DataFrame:
    """List the blood cells, each a subject of its own: columns ``path``, ``label`` and ``subject``."""
    paths = pd.Series([name for name in ZipFile(data / "pbc_blood_cells.zip").namelist() if name.endswith(".jpg")])
    return pd.DataFrame({"path": paths, "label": paths.str.split("/").str[0], "subject": paths})


def chromosomes(data: Path) -> pd.DataFrame:
    """List the chromosomes, their class and case."""
    with ZipFile(data / "chromosomes_612cells.zip") as files:
        table = pd.read_csv(files.open("labels.csv"), dtype=str)
    return table.rename(columns={"class": "label", "case_id": "subject"})[["path", "label", "subject"]]


def cnmc(folder: Path) -> pd.DataFrame:
    """List the cells of C-NMC, their class and person."""
    paths = pd.Series(sorted(str(path.relative_to(folder)) for path in folder.rglob("UID_*.bmp")))
    subject = paths.str.extract(r"UID_([Hh]?\d+)_")[0].str.upper()
    return pd.DataFrame({"path": paths, "label": paths.str.split("/").str[-2], "subject": subject})


def write_images(images_of: Data, folder: Path) -> None:
    """Write images drawn evenly of each class, and their labels.csv."""
    listed, source, _ = images_of
    drawn = listed.sample(frac=1, random_state=0).groupby("label").head(IMAGES // listed["label"].nunique())
    files = None if source.is_dir() else ZipFile(source)
    for path in drawn["path"]:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(files.read(path) if files else (source / path).read_bytes())
    drawn.to_csv(folder / "labels.csv", index=False)


def fine_tune(model: Classifier, data: ImageDataModule, batch: int) -> None:
    """Train as fastai's ``fine_tune`` does: one epoch of the head, then all layers at discriminative rates.

    AdamW and one cycle with fastai's constants, three groups of layers, BatchNorm in training throughout.
    """
    backbone = list(model.backbone.parameters())
    half = len(backbone) // 2
    groups = (backbone[:half], backbone[half:], list(model.head.parameters()))
    _fit(model, data, batch, dict(zip((RATE,), groups[2:], strict=True)), Cycle(1, 0.99, 25))
    _fit(model, data, batch, dict(zip((RATE / 200, RATE / 20, RATE / 2), groups, strict=True)), Cycle(EPOCHS, 0.3, 5))


class Cycle(NamedTuple):
    """One cycle of the learning rate: its epochs, the share in which it rises, and what its start is divided by."""

    epochs: int
    warmup: float
    division: float


def _fit(
    model: Classifier, data: ImageDataModule, batch: int, groups: dict[float, list[nn.Parameter]], cycle: Cycle
) -> None:
    model.train().requires_grad_(False)
    for parameters in groups.values():
        for parameter in parameters:
            parameter.requires_grad_(True)
    rows = data.rows("train")
    steps = cycle.epochs * math.ceil(len(rows) / batch)
    optimizer = torch.optim.AdamW(
        [{"params": parameters} for parameters in groups.values()], betas=(0.95, 0.99), eps=1e-5, weight_decay=0.01
    )
    schedule = OneCycleLR(
        optimizer, list(groups), steps, pct_start=cycle.warmup, div_factor=cycle.division, final_div_factor=1e5
    )
    random = np.random.default_rng(data.config.seed)
    for _ in range(cycle.epochs):
        for chosen in np.array_split(random.permutation(rows), steps // cycle.epochs):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images(data, chosen)), torch.from_numpy(data.labels[chosen]))
            loss.backward()  # type: ignore[no-untyped-call]  # torch's own
            optimizer.step()
            schedule.step()


def images(data: ImageDataModule, rows: np.ndarray) -> torch.Tensor:
    """Return prepared images, float in [0, 1], shape (B, 3, H, W)."""
    return torch.from_numpy(data.prepared(rows)).permute(0, 3, 1, 2).contiguous().float() / 255


def correct(model: Classifier, data: ImageDataModule, part: str) -> int:
    """Return how many images of a part a trained model gets right."""
    model.eval()
    right = 0
    with torch.inference_mode():
        for rows in np.array_split(data.rows(part), 3):
            right += int((model(images(data, rows)).argmax(1).numpy() == data.labels[rows]).sum())
    return right


def measure(folder: Path, recipe: str, settings: list[str], answer: Connection) -> None:
    """Train once; answer with CPU seconds of the training, peak memory in GB, and what is right of two parts."""
    config = as_classifier(compose_config([*settings, *(RECIPES[recipe] or ())]))
    data = ImageDataModule(config, progress=False)
    data.setup()
    data.prepare_data()
    model = build_classifier(config, data.manifest.classes)[0]
    start = time.process_time()
    if RECIPES[recipe] is None:
        fine_tune(model, data, config.loader.batch_size)
    else:
        train_stages(model, data, config, folder, features=FeatureDataModule(data))
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    row = {"cpu_seconds": round(seconds, 1), "peak_gb": round(peak, 2)}
    for part in ("validation", "test"):
        row |= {part: correct(model, data, part), f"{part}_images": len(data.rows(part))}
    answer.send(row)


def main(
    data: Path,
    cnmc_folder: Path,
    work: Path,
    csv: Annotated[Path, typer.Option(help="The table.")],
    folds: Annotated[int, typer.Option(help="How many of five test folds.")] = 5,
    settings: Annotated[str, typer.Option(help="Further keys of all trainings, with spaces between.")] = "",
) -> None:
    """Train every recipe on every fold of every data set."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    sets = {
        "pbc": Data(pbc(data), data / "pbc_blood_cells.zip"),
        "chromosomes": Data(chromosomes(data), data / "chromosomes_612cells.zip"),
        "cnmc": Data(cnmc(cnmc_folder), cnmc_folder, ("data.positive_class=all",)),
    }
    for name, images_of in sets.items():
        if not (work / name / "labels.csv").exists():
            write_images(images_of, work / name)
    rows = pd.read_csv(csv).to_dict("records") if csv.exists() else []
    done = {(row["data"], row["fold"], row["recipe"]) for row in rows}
    for fold, name, recipe in product(range(folds), sets, RECIPES):
        if (name, fold, recipe) not in done:
            words = [
                "data=table", f"data_dir={work / name}", "data.subject_column=subject", f"split.fold={fold}",
                f"seed={fold}", f"cache_dir={work}/cache", "trainer.enable_progress_bar=false",
                *sets[name].settings, *settings.split(),
            ]  # fmt: skip
            measured = in_a_process(work / "run", recipe, words)
            rows.append({"data": name, "fold": fold, "recipe": recipe, **measured})
            write_csv(csv, pd.DataFrame(rows))


def in_a_process(folder: Path, recipe: str, words: list[str]) -> dict[str, float]:
    """Train once in a process of its own, whose memory is that of this training."""
    shutil.rmtree(folder, ignore_errors=True)
    fork = get_context("fork")
    receiver, sender = fork.Pipe(duplex=False)
    process = fork.Process(target=measure, args=(folder, recipe, words, sender))
    process.start()
    sender.close()
    measured: dict[str, float] = receiver.recv()
    process.join()
    return measured


if __name__ == "__main__":
    typer.run(main)
