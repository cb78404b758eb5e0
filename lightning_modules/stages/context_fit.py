"""The context of a network, trained after it in a last stage, on kept features: minutes, where end to end takes hours.

The network does not change any more, so its features of a training image can be computed once for each of a few draws
of the augmentation. Under a strong augmentation a network is no surer of training images than of new ones, which is
what the context must learn from; without it, features of training images are over-confident. The draws are none that
the network was trained with.

An interrupted stage starts again: features, order and dropout are functions of the seed alone.
"""

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from pytorch_lightning import Callback, LightningDataModule

from common.cli import say
from common.config.schema import Config, StageConfig
from common.errors import UserError
from common.files import atomic_path, write_json
from common.runs.files import RunFile
from common.runs.run import Run
from common.seeds import derive_seed
from lightning_modules.callbacks.heartbeat import StageProgress
from lightning_modules.checkpoint_io import load_checkpoint
from lightning_modules.classifier import Classifier
from lightning_modules.extensions import build_loggers
from lightning_modules.networks.set_transformer import measure
from lightning_modules.orientation import turn_half
from lightning_modules.stages.fit import FinishedStage, train_stages
from lightning_modules.stages.frozen import FeatureCache
from lightning_modules.stages.plan import Stage, planned_stages
from lightning_modules.trainer import build_trainer

NAME = "context"
WARMUP = 0.2  # share of the steps in which the rate rises
LARGEST_GRADIENT = 1.0
# The epoch of the first draw of the augmentation, beyond those of any network's training.
FIRST_EPOCH = 1_000_000
SAID_EVERY = 5  # epochs


class CellFeatures(NamedTuple):
    """What the context sees of the n chromosomes of a cell: float32, and class indices, int64, each of length n."""

    features: torch.Tensor
    logits: torch.Tensor
    measures: torch.Tensor
    label: torch.Tensor


# Returns all training cells as an epoch has them, in batches on a device: image, label, index and cell.
TrainCells = Callable[[int, torch.device], Iterator[dict[str, torch.Tensor]]]


class ContextData(NamedTuple):
    """The data of a network and of the context that is trained after it.

    Attributes:
        images: The network's train and validation batches.
        cells: Validates network and context together, on batches of whole cells.
        train_cells: The training cells.
        features: May have features of the images, see `train_stages`.
    """

    images: LightningDataModule
    cells: LightningDataModule
    train_cells: TrainCells
    features: FeatureCache | None = None


def train_network_then_context(
    model: Classifier, data: ContextData, config: Config, run: Path, callbacks: Sequence[Callback] = ()
) -> list[FinishedStage]:
    """Train the stages of the network, which ``init_from`` replaces, without the context, then the context alone.

    Args:
        model: The classifier, with a context; it has the trained weights of both in the end.
        data: Of the images and of their cells.
        config: The typed configuration.
        run: The run's folder.
        callbacks: Callbacks of the network's stages.
    """
    of_network = [] if config.init_from else planned_stages(config, run)
    number = len(of_network)
    stage = Stage(number, NAME, StageConfig(lr=config.context.fit.lr), Run(run).stage_folder(number, NAME))
    if (stage.folder / RunFile.STAGE).exists():
        load_checkpoint(model, stage.folder / "best.ckpt")
        finished = [FinishedStage.read(each.folder) for each in of_network]
    else:
        finished = []
        if of_network:
            with model.without_context():
                finished = train_stages(model, data.images, config, run, callbacks, data.features)
        fit_context(model, data, config, stage)
    for each in finished:  # the weights of the network are in those of the context's stage
        (run / each.best).unlink(missing_ok=True)
    return [*finished, FinishedStage.read(stage.folder)]


def fit_context(model: Classifier, data: ContextData, config: Config, stage: Stage) -> None:
    """Train the context of a classifier by ``config.context.fit``, the rest of it as it is, and record the stage.

    Args:
        model: Has a context; its network was trained before.
        data: Of the cells.
        config: The typed configuration.
        stage: The stage to record.

    Raises:
        UserError: The network gives no numbers, or the training of the context diverges.
    """
    settings = config.context.fit
    start = time.monotonic()
    device = torch.device("cuda" if torch.cuda.is_available() and config.trainer.accelerator != "cpu" else "cpu")
    say(f"stage {stage.number + 1}, {NAME}: {_count(model.context):,} of {_count(model):,} parameters train")
    progress = StageProgress(stage, config.callbacks.monitor, settings.epochs, settings.draws + settings.epochs)
    model.to(device).eval()
    draws = []
    for draw in range(settings.draws):
        draws.append(keep_features(model, data.train_cells(FIRST_EPOCH + draw, device), config, draw))
        progress.write(0, draw + 1, 0)
        say(f"{NAME}: features of draw {draw + 1} of {settings.draws}, {time.monotonic() - start:.0f} s")
    images_seen = _train(model, draws, config, progress)
    model.to("cpu")

    stage.folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(stage.folder / "best.ckpt") as temporary:
        torch.save({"state_dict": model.state_dict()}, temporary)
    trainer = build_trainer(config, loggers=build_loggers(config, stage.run, stage.folder.name))
    metrics = trainer.validate(model, datamodule=data.cells, verbose=False)[0]
    score = float(metrics[config.callbacks.monitor])
    _check_finite(score, f"{config.callbacks.monitor} is {score}")
    say(f"{NAME}: val/acc {metrics['val/acc']:.4f}, without it {metrics['val/acc_alone']:.4f}")
    best = str((stage.folder / "best.ckpt").relative_to(stage.run))
    record = FinishedStage(NAME, best, score, settings.epochs, images_seen, time.monotonic() - start)
    write_json(stage.folder / RunFile.STAGE, asdict(record))


@torch.no_grad()
def keep_features(
    model: Classifier, batches: Iterator[dict[str, torch.Tensor]], config: Config, draw: int
) -> list[CellFeatures]:
    """Return what the context sees of every training cell, whose batches are those of the n-th draw from 0.

    Raises:
        UserError: The network gives no numbers.
    """
    cells = []
    mixed = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(config.trainer.precision)
    for batch in batches:
        image = batch["image"]
        if model.orientation:
            image, _ = turn_half(image, batch["index"], draw)
        with torch.autocast(image.device.type, mixed, enabled=mixed is not None):
            logits = model.both_logits(image, None)
        alone = model.class_logits(logits.alone).float()
        if not torch.isfinite(alone).all():
            remedy = "name another run" if config.init_from else "lower the learning rates of unfreeze.stages"
            raise UserError(f"the trained network gives no numbers (NaN) for training images: {remedy}")
        seen = (logits.embedding.float(), alone, measure(image), batch["label"])
        for number in range(int(batch["cell"].max()) + 1):
            of_cell = batch["cell"] == number
            cells.append(CellFeatures(*(values[of_cell] for values in seen)))
    return cells


def _train(model: Classifier, draws: list[list[CellFeatures]], config: Config, progress: StageProgress) -> int:
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
        losses = []
        for chosen in _batches(draws[epoch % len(draws)], settings.cells, derive_seed(NAME, config.seed, epoch)):
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
            losses.append(loss.detach())
            images_seen += len(label)
        mean_loss = float(torch.stack(losses).mean())
        _check_finite(mean_loss, f"its loss is {mean_loss}")
        progress.write(epoch + 1, len(draws) + epoch + 1, images_seen)
        if (epoch + 1) % SAID_EVERY == 0 or epoch + 1 == settings.epochs:
            say(f"{NAME}: epoch {epoch + 1} of {settings.epochs}, loss {mean_loss:.4f}")
    context.eval()
    return images_seen


def _batches(cells: list[CellFeatures], size: int, seed: int) -> Iterator[list[CellFeatures]]:
    """Yield batches of cells in random order, without an incomplete last one where there is another."""
    shuffled = list(cells)
    random.Random(seed).shuffle(shuffled)
    for first in range(0, max(len(shuffled) - size + 1, 1), size):
        yield shuffled[first : first + size]


def _count(module: torch.nn.Module | None) -> int:
    assert module is not None
    return sum(parameter.numel() for parameter in module.parameters())


def _check_finite(value: float, description: str) -> None:
    if not math.isfinite(value):
        raise UserError(f"stage {NAME} diverged ({description}): lower context.fit.lr")
