"""Images per second on a GPU: ``python -m benchmarks.gpu --csv results/gpu.csv``, with ``+profile=gpu``.

Trainings and predictions of this code beside a plain loop with the same settings, and beside the same loop on one batch
that stays on the device, the bound that loading images cannot exceed. All see the same synthetic images, in whole
batches: another size of batch makes cuDNN choose its algorithms again. The first batches, until every process that
loads images has given some, are not counted; ``start`` is the seconds until then. Memory is the largest that
tensors held on the device at once, in GB.
"""

import math
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice, repeat
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import torch
import torch.nn.functional as F
import typer
from pytorch_lightning import Callback, LightningModule, Trainer
from torch.utils.data import DataLoader

from benchmarks.shared import show
from datamodules.image_datamodule import ImageDataModule
from datamodules.prepared_dataset import whole_batch
from karyocyte.common.cli import report_user_errors
from karyocyte.common.errors import UserError
from karyocyte.common.files import write_csv
from karyocyte.common.revision import revision
from karyocyte.composition.compose import compose_config
from karyocyte.config.schema import Config, as_classifier
from lightning_modules.build.build import build_classifier
from lightning_modules.training.fit import train_stages
from lightning_modules.training.predict import LightningPredictor, PredictionCollector
from lightning_modules.training.process import set_up_torch
from lightning_modules.training.trainer import build_trainer

ONE_STAGE = ["~unfreeze.stages.head", "~unfreeze.stages.finetune"]  # of the experiment, beside unfreeze=whole
EXPERIMENTS = {
    "resnet50_cut_block5": ["data=synthetic", "data.size=224", *ONE_STAGE],
    "mobilenetv2_cut": ["data=synthetic", "data.size=224", *ONE_STAGE],
    "scratch_cnn_d128": ["data=synthetic", "data.size=224"],
    "chromosomes": ["data=synthetic_chromosomes", "data.cases=10", "unfreeze.stages.all.lr=2e-3"],
}
COLUMNS = ("experiment", "work", "ours", "loop", "bound", "start", "memory", "loop_memory")
WARM_UP = 5  # batches before the clock starts, beside one of each process that loads images
PREDICTED = 0.4  # the share of the images that are predicted, those of validation and test
DTYPES = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


@dataclass
class Clock:
    """Counts images and seconds after the first batches; all work of the device is waited for at both ends."""

    device: torch.device
    warm_up: int  # batches
    made: float = field(default_factory=time.perf_counter)
    batches: int = 0
    images: int = 0
    start: float = 0.0
    end: float = 0.0

    def count(self, images: int) -> None:
        """Note the end of a batch."""
        self.batches += 1
        if self.batches == self.warm_up:
            self.start = self._now()
        elif self.batches > self.warm_up:
            self.images += images

    def rate(self) -> float:
        """Return the images per second until now.

        Raises:
            UserError: There were no batches after the first ones.
        """
        if not self.images:
            raise UserError(f"the first {self.warm_up} batches are not counted: give more --batches")
        self.end = self.end or self._now()
        return self.images / (self.end - self.start)

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


class TimedSteps(Callback):
    """Counts the steps of a training or of a prediction."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count the images; the last batch stops the clock, since Lightning validates within the epoch."""
        self.clock.count(len(batch["label"]))
        if batch_idx + 1 == trainer.num_training_batches:
            self.clock.rate()

    def on_predict_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, *_: Any
    ) -> None:
        """Count the images."""
        self.clock.count(len(batch["index"]))

    def on_predict_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the clock."""
        self.clock.rate()


def rates(experiment: str, batches: int, batch: int, folder: Path, accelerator: str) -> Iterator[dict[str, object]]:
    """Yield a row for the training and one for the prediction of an experiment: images per second of each way."""
    config = _config(experiment, batches, batch, folder, accelerator)
    device = torch.device("cuda" if accelerator == "gpu" else "cpu")
    data = ImageDataModule(config, progress=False)
    data.setup()
    for work in ("training", "prediction"):
        clock = Clock(device, WARM_UP + data.loader(data.training_set()).num_workers)
        model = build_classifier(config, data.manifest.classes)[0]
        if work == "training":
            train_stages(model, data, config, folder / experiment, callbacks=[TimedSteps(clock)])
        else:
            trainer = build_trainer(config, callbacks=[PredictionCollector(), TimedSteps(clock)])
            trainer.limit_predict_batches = batches
            predictor = LightningPredictor(model, config.inference, config.seed)
            trainer.predict(predictor, datamodule=data, return_predictions=False)
        row: dict[str, object] = {"experiment": experiment, "work": work}
        row |= {"ours": clock.rate(), "start": clock.start - clock.made, "memory": _peak(device)}
        for way in ("loop", "bound"):
            row[way] = _loop(config, data, Clock(device, clock.warm_up), way == "bound", work == "training")
            row[f"{way}_memory"] = _peak(device)
        yield row


def _peak(device: torch.device) -> float:
    """Return the largest memory of tensors since the last call in GB; not a number on the CPU."""
    if device.type != "cuda":
        return float("nan")
    peak = torch.cuda.max_memory_allocated(device) / 1e9
    torch.cuda.reset_peak_memory_stats(device)
    return peak


def _config(experiment: str, batches: int, batch: int, folder: Path, accelerator: str) -> Config:
    images = math.ceil(batches * batch / PREDICTED)
    number = f"data.images={images}"
    if experiment == "chromosomes":
        number = f"data.cells={math.ceil(images / 46)}"
    return as_classifier(compose_config([
        f"+experiment={experiment}", "+profile=gpu", *EXPERIMENTS[experiment], number, "weights=random",
        "unfreeze=whole", "balance=none",
        "split.near_duplicates=off", "callbacks.early_stopping.enabled=false", "inference.mirror=false",
        f"loader.batch_size={batch}", f"trainer.accelerator={accelerator}", "trainer.max_images=null",
        "trainer.max_epochs=1", f"trainer.limit_train_batches={batches}", "trainer.limit_val_batches=1",
        "trainer.enable_progress_bar=false", f"cache_dir={folder}/cache", f"output_dir={folder}/outputs",
    ]))  # fmt: skip


def _loop(config: Config, data: ImageDataModule, clock: Clock, bound: bool, training: bool) -> float:
    """Return the images per second of a loop as a good engineer writes it, over the images or over one batch."""
    device, limit = clock.device, config.trainer.limit_train_batches
    assert isinstance(limit, int)
    model = build_classifier(config, data.manifest.classes)[0].train(training)
    model.to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    size = config.loader.batch_size
    dataset = data.plain_set(data.plan.rows)
    workers = data.loader(dataset).num_workers
    how: dict[str, Any] = {"num_workers": workers, "pin_memory": device.type == "cuda", "collate_fn": whole_batch}
    loader: DataLoader[Any] = DataLoader(dataset, size, shuffle=training, drop_last=True, **how)
    batches: Iterable[Any] = loader
    if bound:
        batches = repeat([part.to(device) for part in next(iter(loader))])
    for image, label, *_ in islice(batches, limit):
        image = image.to(device, non_blocking=True).float().div_(255).contiguous(memory_format=torch.channels_last)
        with torch.set_grad_enabled(training), torch.autocast(device.type, DTYPES[config.trainer.precision]):
            logits = model(image)
            target = label.to(device, non_blocking=True)
            loss = F.cross_entropy(logits, target) if logits.shape[1] > 1 else logits.float().mean()
        if training:
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
        clock.count(len(label))
    return clock.rate()


def run(
    csv: Annotated[Path | None, typer.Option(help="Where the table is written.")] = None,
    only: Annotated[list[str] | None, typer.Option(help=f"Of {', '.join(EXPERIMENTS)}; all.")] = None,
    batches: Annotated[int, typer.Option(help="Batches of synthetic images, the first ones included.")] = 80,
    batch: Annotated[int, typer.Option(help="Images of a batch.")] = 64,
    accelerator: Annotated[str, typer.Option(help="gpu | cpu.")] = "gpu",
) -> None:
    """Measure the images per second of trainings and predictions, beside a plain loop and its bound."""
    set_up_torch()
    name = torch.cuda.get_device_name() if accelerator == "gpu" else "cpu"
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        for experiment in only or EXPERIMENTS:
            rows.extend(rates(experiment, batches, batch, Path(folder), accelerator))
            table = pd.DataFrame(rows).round(2).assign(device=name, batch=batch, revision=revision())
            if csv is not None:  # at once: a lent machine may be taken back
                write_csv(csv, table)
    show(table, "images per second", COLUMNS)


if __name__ == "__main__":
    typer.run(report_user_errors()(run))
