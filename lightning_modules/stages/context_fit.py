"""The context of a finished network alone, trained on kept features: minutes, where training end to end takes hours.

The network does not change, so its features of a training image can be computed once for each of a few draws of the
augmentation. Under a strong augmentation a network is no surer of training images than of new ones, which is what the
context must learn from; without it, features of training images are over-confident.
"""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from pytorch_lightning import LightningDataModule

from common.cli import say
from common.config.schema import Config
from common.files import atomic_path, write_json
from common.runs.files import RunFile
from common.runs.run import Run
from common.seeds import derive_seed
from lightning_modules.checkpoint_io import load_checkpoint
from lightning_modules.classifier import Classifier
from lightning_modules.networks.set_transformer import measure
from lightning_modules.orientation import turn_half
from lightning_modules.stages.fit import FinishedStage
from lightning_modules.trainer import build_trainer

WARMUP = 0.2  # share of the steps in which the rate rises
LARGEST_GRADIENT = 1.0


class CellFeatures(NamedTuple):
    """What the context sees of the n chromosomes of a cell: float32, and class indices, int64, each of length n."""

    features: torch.Tensor
    logits: torch.Tensor
    measures: torch.Tensor
    label: torch.Tensor


# Returns the training batches of whole cells of an epoch, on a device: image, label, index and cell.
Batches = Callable[[int, torch.device], Iterator[dict[str, torch.Tensor]]]


def fit_context(
    model: Classifier, data: LightningDataModule, batches: Batches, config: Config, run: Path
) -> FinishedStage:
    """Train the context of a classifier by ``config.context.fit``, the rest of it as it is, and save it as a stage.

    Args:
        model: Has a context; its network was trained before.
        data: Validates the model.
        batches: The training batches.
        config: The typed configuration.
        run: The run's folder.
    """
    folder = Run(run).stage_folder(0, "context")
    if (folder / RunFile.STAGE).exists():
        load_checkpoint(model, folder / "best.ckpt")
        return FinishedStage.read(folder)
    start = time.monotonic()
    device = torch.device("cuda" if torch.cuda.is_available() and config.trainer.accelerator != "cpu" else "cpu")
    model.to(device).eval()
    draws = [keep_features(model, batches(epoch, device), config, epoch) for epoch in range(config.context.fit.draws)]
    images_seen = _train(model, draws, config)
    model.to("cpu")
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(folder / "best.ckpt") as temporary:
        torch.save({"state_dict": model.state_dict()}, temporary)
    metrics = build_trainer(config).validate(model, datamodule=data, verbose=False)[0]
    say(f"context: val/acc {metrics['val/acc']:.4f}, without it {metrics['val/acc_alone']:.4f}")
    record = FinishedStage(
        name="context",
        best=str((folder / "best.ckpt").relative_to(run)),
        score=float(metrics[config.callbacks.monitor]),
        epochs=config.context.fit.epochs,
        images_seen=images_seen,
        seconds=time.monotonic() - start,
    )
    write_json(folder / RunFile.STAGE, asdict(record))
    return record


@torch.no_grad()
def keep_features(
    model: Classifier, batches: Iterator[dict[str, torch.Tensor]], config: Config, epoch: int
) -> list[CellFeatures]:
    """Return what the context sees of every training cell, whose batches are those of ``epoch``."""
    cells = []
    for batch in batches:
        image = batch["image"]
        if model.orientation:
            image, _ = turn_half(image, batch["index"], epoch)
        mixed = config.trainer.precision == "bf16-mixed"
        with torch.autocast(image.device.type, torch.bfloat16, enabled=mixed):
            logits = model.both_logits(image, None)
        alone = model.class_logits(logits.alone).float()
        seen = (logits.embedding.float(), alone, measure(image), batch["label"])
        for number in range(int(batch["cell"].max()) + 1):
            of_cell = batch["cell"] == number
            cells.append(CellFeatures(*(values[of_cell] for values in seen)))
    return cells


def _train(model: Classifier, draws: list[list[CellFeatures]], config: Config) -> int:
    """Train the context over the draws by turns; return how many images it has seen."""
    settings = config.context.fit
    context = model.context
    assert context is not None
    torch.manual_seed(derive_seed("context", config.seed))  # of the dropout
    context.train()
    steps = settings.epochs * max(len(draws[0]) // settings.cells, 1)
    optimizer = torch.optim.AdamW(context.parameters(), lr=settings.lr, weight_decay=0.05)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.lr, steps, pct_start=WARMUP, cycle_momentum=False
    )
    images_seen = 0
    for epoch in range(settings.epochs):
        cells = list(draws[epoch % len(draws)])
        random.Random(derive_seed("context_order", config.seed, epoch)).shuffle(cells)
        for first in range(0, max(len(cells) - settings.cells + 1, 1), settings.cells):
            chosen = cells[first : first + settings.cells]
            features, logits, measures, label = map(torch.cat, zip(*chosen, strict=True))
            sizes = torch.tensor([len(each.label) for each in chosen], device=label.device)
            cell = torch.repeat_interleave(torch.arange(len(chosen), device=label.device), sizes)
            corrected = logits + context(features, logits, measures, cell)
            optimizer.zero_grad()
            loss = F.cross_entropy(corrected, label, model.class_weights, label_smoothing=settings.label_smoothing)
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(context.parameters(), LARGEST_GRADIENT)
            optimizer.step()
            scheduler.step()
            images_seen += len(label)
    context.eval()
    return images_seen
