"""The predictions of a datamodule's images, by Lightning's Trainer."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from pytorch_lightning import Callback, LightningDataModule, LightningModule, Trainer

from karyocyte.config.schema import Config, TrainingConfig
from karyocyte.runs.predicted import Predicted, finite, joined_arrays
from lightning_modules.modules.image_network import ClassifierNetwork
from lightning_modules.prediction.out_of_distribution import Distances, OutOfDistribution
from lightning_modules.prediction.predictor import Predictor
from lightning_modules.support.distributed import current_world, gather
from lightning_modules.training.machine_faults import explained_faults
from lightning_modules.training.trainer import build_trainer


class LightningPredictor(Predictor, LightningModule):
    """A `Predictor` for Lightning's Trainer."""

    def predict_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> dict[str, torch.Tensor]:
        """Return what ``forward`` computes, with the batch's {"index": int64 (B,)}."""
        return {"index": batch["index"], **self(batch["image"])}


class PredictionCollector(Callback):
    """Keeps what ``predict_step`` returns, as arrays of their own.

    Lightning would keep the small tensors of every batch, which pin the memory around them: 0.4 MB for each image.
    """

    def __init__(self) -> None:
        self._batches: list[dict[str, np.ndarray]] = []

    def on_predict_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, *numbers: int
    ) -> None:
        """Keep a batch."""
        self._batches.append({name: values.cpu().numpy().copy() for name, values in outputs.items()})

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the predictions by name, shape (images, ...); empty without any batch."""
        return joined_arrays(self._batches)


def predict(
    model: ClassifierNetwork,
    data: LightningDataModule,
    config: Config,
    distance: Distances | OutOfDistribution | None = None,
    keep_features: bool = False,
) -> Predicted | None:
    """Return the model's probabilities for every image that the datamodule's ``predict_dataloader`` serves, once each.

    Processes that share the images hand their predictions to the first one, in the whole order; the others get None.
    The further arguments are those of ``Predictor``.

    Raises:
        UserError: The model gives something else than numbers: its training went astray. Or it has no dropout, and
            passes are asked for. Or a batch does not fit the memory.
    """
    predictor = LightningPredictor(model, config.inference, config.seed, distance, keep_features)
    arrays = predicted_arrays(predictor, data, config)
    if arrays is None:
        return None
    return Predicted.of_arrays(
        arrays.get("index", np.zeros(0, np.int64)), arrays, model.num_classes, config.inference.mc_passes
    )


def predicted_arrays(
    module: LightningModule, data: LightningDataModule, config: TrainingConfig
) -> dict[str, np.ndarray] | None:
    """Return what the ``predict_step`` of a module gives for every image, by name; None but on the first process.

    Raises:
        UserError: It gives something else than numbers, or a batch does not fit the memory.
    """
    collector = PredictionCollector()
    trainer = build_trainer(config, callbacks=[collector])
    with explained_faults(config.loader):
        trainer.predict(module, datamodule=data, return_predictions=False)
    arrays = finite(interleaved(gather(collector.arrays())))
    return arrays if current_world().is_first else None


def interleaved(shares: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Return rows by name in their whole order, of which process r of n has those of the images r, r + n, ...

    An image has the rows, one or several, that follow each other with the same "index". Where an image has none, the
    order of images depends on the number of processes.
    """
    filled = [share for share in shares if share]
    if len(filled) <= 1:
        return filled[0] if filled else {}
    places = []
    for rank, share in enumerate(filled):
        images = np.cumsum(np.diff(share["index"], prepend=share["index"][:1]) != 0)
        places.append(images * len(filled) + rank)
    order = np.argsort(np.concatenate(places), kind="stable")
    return {name: values[order] for name, values in joined_arrays(filled).items()}
