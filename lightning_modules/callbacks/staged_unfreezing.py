"""Staged unfreezing within one fit of any Trainer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.trainer.states import TrainerFn

from karyocyte.common.cli import say
from karyocyte.common.errors import UserError
from karyocyte.config.explain import validated
from karyocyte.config.schema import StageConfig
from lightning_modules.backbones.backbone import check_modules
from lightning_modules.callbacks.resume import seed_batch
from lightning_modules.modules.staged_module import StagedModule
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


HEAD_ALONE: dict[str, Any] = {"lr": 1e-3, "batchnorm": "frozen"}  # as unfreeze=head_only


class StagedUnfreezing(Callback):
    """Train a classifier in stages, in one fit: first its head on the frozen backbone, then more of it.

        stages = {"head": 5, "finetune": Stage(epochs=10, train=["layer3"], lr=1e-5, batchnorm="frozen")}
        Trainer(callbacks=[StagedUnfreezing(stages)]).fit(model, data)

    Each stage has a new optimiser over what trains in it, and the schedule of the model from its start. It goes on from
    the last weights of the stage before (a stage of ``train.py`` from the best). The fit ends with the last stage, or
    with the trainer's ``max_epochs`` before it. It is resumed by ``fit(..., ckpt_path=...)``, also within a stage, to
    the very same weights: for this, torch is seeded before each training batch.

    Args:
        stages: By their names, in their order; ``"head": 5`` are five epochs of the head alone, at the rate of
            ``unfreeze=head_only``.
        seed: Of dropout.

    Raises:
        UserError: There is no stage, or one says wrongly what trains.
    """

    def __init__(self, stages: Mapping[str, int | Stage], seed: int = 0) -> None:
        self.stages: dict[str, Stage] = {}
        for name, stage in stages.items():
            if isinstance(stage, int) and name != "head":
                raise UserError(f"stage {name}: say what trains: Stage(epochs={stage}, train=['all'])")
            self.stages[name] = Stage(stage, **HEAD_ALONE) if isinstance(stage, int) else stage
        if not self.stages:
            raise UserError("there is no stage: name one, such as StagedUnfreezing({'head': 5})")
        self.seed = seed
        self.number = 0
        self._ends = list(accumulate(stage.epochs for stage in self.stages.values()))
        self._configs: list[StageConfig] = []

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check all stages, and begin the first one before the optimiser collects what trains."""
        if stage != "fit":
            return
        if not isinstance(pl_module, StagedModule):
            raise UserError(f"{type(pl_module).__name__} has no stages: build the model by create_classifier")
        if trainer.world_size > 1:  # DDP fixes at its start which gradients it adds up
            raise UserError("StagedUnfreezing trains on one device: set Trainer(devices=1), or use train.py")
        rate = pl_module.hparams.get("lr", pl_module.settings.lr)
        self._configs = [_config(name, each, rate) for name, each in self.stages.items()]
        for config in self._configs:
            check_modules(pl_module.backbone, config.train)
        limit = trainer.max_epochs
        trainer.fit_loop.max_epochs = self._ends[-1] if limit in (None, -1) else min(limit, self._ends[-1])
        self._begin(trainer, pl_module, 0)

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Take up the stage of a checkpoint, before its optimiser is restored; a ``UserError`` says that it is none."""
        if trainer.state.fn != TrainerFn.FITTING:
            return
        state = checkpoint["callbacks"].get(self.state_key, {"number": None, "name": None})
        if dict(enumerate(self.stages)).get(state["number"]) != state["name"] or state["name"] is None:
            raise UserError(
                f"the checkpoint is of stage {state['name']}, not of {', '.join(self.stages)} in this order"
            )
        self._begin(trainer, pl_module, state["number"])

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin the next stage where the one before has ended."""
        number = sum(end <= trainer.current_epoch for end in self._ends)
        if number != self.number:
            self._begin(trainer, pl_module, number)
            trainer.strategy.setup_optimizers(trainer)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Seed torch for this batch."""
        epoch = trainer.current_epoch - [0, *self._ends][self.number]
        seed_batch(pl_module, self.seed, self.number, epoch, batch_idx)

    def state_dict(self) -> dict[str, Any]:
        """Return the stage, for the checkpoint."""
        return {"number": self.number, "name": list(self.stages)[self.number]}

    def _begin(self, trainer: Trainer, module: LightningModule, number: int) -> None:
        assert isinstance(module, StagedModule)
        self.number = number
        epochs = list(self.stages.values())[number].epochs
        steps = None
        if module.settings.scheduler.target is not None:
            steps = round(trainer.estimated_stepping_batches / (trainer.max_epochs or 1) * epochs)
        module.configure_stage(self._configs[number], steps)
        module.zero_grad()  # what is frozen now keeps no gradients
        say(module.describe_stage(number, list(self.stages)[number]))


def _config(name: str, stage: Stage, rate: float) -> StageConfig:
    """Return a stage as ``train.py`` has it; ``rate`` is the model's."""
    optimizer = named_optimizer(stage.optimizer) if stage.optimizer else None
    values = {"train": tuple(stage.train), "lr": stage.lr or rate, "head_lr": stage.head_lr}
    values |= {"batchnorm": stage.batchnorm, "max_epochs": stage.epochs, "optimizer": optimizer}
    return validated(StageConfig, values, f"stage {name}")
