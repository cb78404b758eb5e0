"""Staged unfreezing within one fit of any Trainer."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.strategies import DDPStrategy, SingleDeviceStrategy
from pytorch_lightning.trainer.states import TrainerFn
from pytorch_lightning.utilities.parsing import lightning_getattr, lightning_hasattr, lightning_setattr

from karyocyte.common.cli import say
from karyocyte.common.errors import UserError
from karyocyte.config.defaults import section_defaults
from karyocyte.config.explain import validated
from karyocyte.config.schema import StageConfig
from lightning_modules.backbones.backbone import check_modules
from lightning_modules.callbacks.best_checkpoint import averaged_weights, is_better
from lightning_modules.callbacks.resume import seed_batch
from lightning_modules.modules.staged_module import (
    StagedModule,
    describe_stage,
    named_layers,
    set_eval_modes,
    set_trained,
)
from lightning_modules.optimizers import named_optimizer


@dataclass(frozen=True)
class Stage:
    """A stage of `StagedUnfreezing`."""

    epochs: int
    # Modules of the backbone that train besides the head, such as ``["layer3"]``; ``all`` or ``half``.
    train: Sequence[str] = ()
    lr: float | None = None  # None: that of the model
    head_lr: float | None = None  # of the head, where it differs
    batchnorm: Literal["train", "frozen"] = "train"  # of what trains; that of frozen modules keeps its statistics
    optimizer: str | None = None  # a file of conf/optimizer/; None: that of the model


class StagedUnfreezing(Callback):
    """Train a network in stages, in one fit: first its head on the frozen backbone, then more of it.

        stages = {"head": 5, "finetune": Stage(epochs=10, train=["layer3"], lr=1e-5, batchnorm="frozen")}
        Trainer(callbacks=[StagedUnfreezing(stages, start_from="best")]).fit(model, data)

    Each stage has a new optimiser, and its schedule from the start. The fit ends with the last stage, or with the
    trainer's ``max_epochs`` before it, on one device or on several (DDP). It is resumed by ``fit(..., ckpt_path=...)``,
    also within a stage, to the very same weights: for this, torch is seeded before each epoch and training batch.

    Any LightningModule will do. Where it has a ``backbone`` and a ``head``, stages name layers of the backbone, and the
    head always trains; of another module they name all that trains. Its ``configure_optimizers`` is called for each
    stage, whose rate is ``lr`` of the module or its ``hparams`` then, and ``trainer.estimated_stepping_batches`` its
    length.

    Args:
        stages: By their names, in their order; ``"head": 5`` are five epochs of the head alone, at the rate of
            ``unfreeze=head_only``.
        start_from: A stage begins with the "best" weights of the one before by ``monitor``, which are kept in memory
            and in full checkpoints, or with its "last" ones.
        monitor: A metric that the validation logs.
        mode: Whether its least or its largest value is best.
        seed: Of dropout, and of the order of images where a DataLoader shuffles.

    Raises:
        UserError: There is no stage, or one says wrongly what trains.
    """

    def __init__(
        self,
        stages: Mapping[str, int | Stage],
        start_from: Literal["best", "last"] = "last",
        monitor: str = "val/loss",
        mode: Literal["min", "max"] = "min",
        seed: int = 0,
    ) -> None:
        self.stages: dict[str, Stage] = {}
        defaults = section_defaults("unfreeze/head_only")["stages"]["head"]
        head = {"lr": defaults["lr"], "batchnorm": defaults["batchnorm"]}
        for name, stage in stages.items():
            given = Stage(stage, **head) if name == "head" and isinstance(stage, int) else stage
            if not isinstance(given, Stage):
                remedy = "give a Stage(epochs=2, train=[...]); a number of epochs is for the stage “head” alone"
                raise UserError(f"stage {name} is {stage!r}: {remedy}")
            self.stages[name] = given
        if not stages:
            raise UserError("there is no stage: name one, such as StagedUnfreezing({'head': 5})")
        if start_from not in ("best", "last"):
            raise UserError(f"start_from={start_from}: say best or last")
        self.start_from = start_from
        self.monitor = monitor
        self.mode = mode
        self.seed = seed
        self.number = 0
        self.best: dict[str, Any] | None = None  # of the present stage: "score" and "weights"
        self._configs: list[StageConfig] = []
        self._starts: list[int] = []  # epochs of the fit, of each stage and of its end
        self._seeded_epoch = -1  # whose order was seeded by a resume
        self._rate = 1.0  # of the module without stages, where it has one

    @property
    def config(self) -> StageConfig:
        """The present stage."""
        return self._configs[self.number]

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check all stages, and begin the first one before the optimiser collects what trains."""
        if stage != "fit":
            return
        if not isinstance(trainer.strategy, SingleDeviceStrategy | DDPStrategy):
            raise UserError("StagedUnfreezing trains on one device, or on several with Trainer(strategy='ddp')")
        self._rate = float(lightning_getattr(pl_module, "lr") or 1) if lightning_hasattr(pl_module, "lr") else 1.0
        self._configs = [_config(pl_module, name, each, self._rate) for name, each in self.stages.items()]
        for config in self._configs:
            check_modules(*named_layers(pl_module, config))
        self._starts = list(accumulate((config.max_epochs or 0 for config in self._configs), initial=0))
        if trainer.max_epochs not in (None, -1):
            self._starts[-1] = min(self._starts[-1], trainer.max_epochs)
        self._seeded_epoch = -1
        self._begin(trainer, pl_module, 0)

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Take up the stage of a checkpoint, before its optimiser is restored; a ``UserError`` says that it is none."""
        if trainer.state.fn != TrainerFn.FITTING:
            return
        state = checkpoint["callbacks"].get(self.state_key, {"number": None, "name": None})
        if (state["number"], state["name"]) not in enumerate(self.stages):
            names = ", ".join(self.stages)
            raise UserError(f"the checkpoint is of stage {state['name']}, not of {names} in this order")
        if state["number"] != self.number:
            self._begin(trainer, pl_module, state["number"])
        self.best = state.get("best")
        # Of the first epoch of a fit the order of the images is drawn before it starts.
        self._seeded_epoch = checkpoint["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"]
        self._seed(pl_module, self._seeded_epoch)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give what ``configure_optimizers`` has read for a stage the values of the fit: the optimiser is built."""
        trainer.fit_loop.max_epochs = self._starts[-1]
        _set_rate(pl_module, self._rate)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Set the modes of all modules, whatever a caller has done to them since."""
        pl_module.train()
        set_eval_modes(pl_module, self.config)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin the next stage where the one before has ended."""
        number = self._number_of(trainer.current_epoch)
        if number != self.number:
            if self.start_from == "best":
                self._load_best(pl_module)
            self._begin(trainer, pl_module, number)
            trainer.strategy.connect(pl_module)  # in place of DDP's wrap, which fixes which gradients it adds up
            trainer.strategy.setup(trainer)
            self.on_fit_start(trainer, pl_module)
            self.on_train_start(trainer, pl_module)
        if trainer.current_epoch != self._seeded_epoch:
            self._seed(pl_module, trainer.current_epoch)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Seed torch for this batch."""
        self._seed(pl_module, trainer.current_epoch, batch_idx)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the weights that were validated, where all processes find them the best of the stage so far."""
        if self.start_from == "last" or trainer.sanity_checking or trainer.state.fn != TrainerFn.FITTING:
            return
        if self.monitor not in trainer.callback_metrics:
            logged = ", ".join(trainer.callback_metrics)
            raise UserError(f"monitor={self.monitor} is not logged: choose one of {logged}")
        score = float(trainer.callback_metrics[self.monitor])
        is_best = is_better(score, self.best["score"] if self.best else None, self.mode)
        if trainer.strategy.reduce_boolean_decision(is_best):
            with averaged_weights(trainer, pl_module):
                weights = {name: value.cpu().clone() for name, value in pl_module.state_dict().items()}
            self.best = {"score": score, "weights": weights}

    def state_dict(self) -> dict[str, Any]:
        """Return the stage, and its best weights so far, for the checkpoint."""
        return {"number": self.number, "name": list(self.stages)[self.number], "best": self.best}

    def _begin(self, trainer: Trainer, module: LightningModule, number: int) -> None:
        """Freeze and unfreeze, and set what ``configure_optimizers`` reads."""
        self.number = number
        self.best = None
        if isinstance(module, StagedModule):
            module.configure_stage(self.config)
        else:
            set_trained(module, self.config)
        _set_rate(module, self.config.lr)
        trainer.fit_loop.max_epochs = self.config.max_epochs
        module.zero_grad()  # what is frozen now keeps no gradients
        if trainer.is_global_zero:
            say(describe_stage(module, self.config, number, list(self.stages)[number]))

    def _seed(self, module: LightningModule, epoch: int, batch: int = 0) -> None:
        """Seed torch for a batch of an epoch of the fit, or for the order of its batches."""
        number = self._number_of(epoch)
        seed_batch(module, self.seed, number, epoch - self._starts[number], batch)

    def _number_of(self, epoch: int) -> int:
        return bisect_right(self._starts[:-1], epoch) - 1

    def _load_best(self, module: LightningModule) -> None:
        if self.best is None:
            raise UserError(f"stage {self.number + 1}: {self.monitor} was no finite number in any validation")
        module.load_state_dict(self.best["weights"])


def _set_rate(module: LightningModule, rate: float) -> None:
    if lightning_hasattr(module, "lr"):
        lightning_setattr(module, "lr", rate)


def _config(module: LightningModule, name: str, stage: Stage, rate: float) -> StageConfig:
    """Return a stage as ``train.py`` has it; ``rate`` is the module's."""
    building = f"stage {name}: {type(module).__name__}.configure_optimizers builds the optimiser"
    if (stage.optimizer or stage.head_lr) and not isinstance(module, StagedModule):
        raise UserError(f"{building}: leave out optimizer and head_lr")
    if stage.lr and not lightning_hasattr(module, "lr"):
        raise UserError(f"{building}: let it read self.lr, or leave out lr: Stage(epochs={stage.epochs})")
    optimizer = named_optimizer(stage.optimizer) if stage.optimizer else None
    values = {"train": tuple(stage.train), "lr": stage.lr or rate, "head_lr": stage.head_lr}
    values |= {"batchnorm": stage.batchnorm, "max_epochs": stage.epochs, "optimizer": optimizer}
    return validated(StageConfig, values, f"stage {name}")
