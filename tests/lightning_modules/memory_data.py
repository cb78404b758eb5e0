"""A data module in memory: noise whose brightness tells the class."""

import torch
from pytorch_lightning import LightningDataModule
from torch.utils.data import DataLoader, Dataset

from datamodules.samplers import EpochBatchSampler


class Items(Dataset):
    """(image, label, index) by (epoch, item) or by item."""

    def __init__(self, images: torch.Tensor) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, key):
        item = key[1] if isinstance(key, tuple) else key
        return self.images[item], item % 2, item


class MemoryData(LightningDataModule):
    """32 images of 32 px; odd items are brighter."""

    def __init__(self, count: int = 32, size: int = 32, batch_size: int = 4) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        images = torch.randint(0, 150, (count, 3, size, size), generator=generator)
        self.images = (images + 60 * (torch.arange(count) % 2).view(-1, 1, 1, 1)).to(torch.uint8)
        self.batch_size = batch_size

    def train_dataloader(self) -> DataLoader:
        sampler = EpochBatchSampler(len(self.images), self.batch_size, 0, self._position)
        return DataLoader(Items(self.images), batch_sampler=sampler)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(Items(self.images), batch_size=8)

    def predict_dataloader(self) -> DataLoader:
        return self.val_dataloader()

    def on_after_batch_transfer(self, batch, dataloader_idx):
        return {"image": batch[0].float() / 255, "label": batch[1], "index": batch[2]}

    def _position(self) -> tuple[int, int]:
        loop = self.trainer.fit_loop
        progress = loop.epoch_loop.batch_progress
        return loop.epoch_progress.current.processed, 0 if progress.is_last_batch else progress.current.processed
