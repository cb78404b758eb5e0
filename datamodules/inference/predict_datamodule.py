"""Image files that are not part of a data set, for Lightning's ``Trainer.predict``."""

from collections.abc import Iterator

import torch
from pytorch_lightning import LightningDataModule

from datamodules.inference.image_batches import ImageFileBatches


class _TensorBatches:
    """The batches as [image uint8 (B, 3, H, W), index int64 (B,) position of the file]."""

    def __init__(self, batches: ImageFileBatches) -> None:
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[torch.Tensor]]:
        for batch in self.batches:
            yield [torch.from_numpy(batch.image), torch.from_numpy(batch.index)]


class PredictDataModule(LightningDataModule):
    """Serves image files in batches."""

    def __init__(self, batches: ImageFileBatches) -> None:
        super().__init__()
        self.batches = batches

    def predict_dataloader(self) -> _TensorBatches:
        """Return the batches."""
        return _TensorBatches(self.batches)

    def on_after_batch_transfer(self, batch: list[torch.Tensor], dataloader_idx: int) -> dict[str, torch.Tensor]:
        """Return {"image": float32 (B, C, H, W) in [0, 1], "index": int64 (B,)}, scaled as in training."""
        image, index = batch
        return {"image": image.float().div_(255), "index": index}
