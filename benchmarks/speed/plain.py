"""A training as a good engineer writes it by hand: images read once, two epochs, the best weights, predictions.

A script of its own, ``python benchmarks/speed/plain.py IMAGES OUTPUT NETWORK SIZE BATCH``, so that it imports no more.
"""

import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import timm
import torch
import torch.nn.functional as F
from sklearn.metrics import roc_auc_score
from torch import nn

EPOCHS = 2
RATE = 1e-4
MEAN, STD = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[:, None, :, None, None]


class PlainTraining:
    """Trains a network on images in memory.

    Args:
        network: (B, 3, H, W) -> logits (B, 1).
        images: uint8, (N, H, W, 3); ``labels`` are their classes, float, (N,).
        rows: Indices of the training, validation and test images.
        batch: Images of a batch.
    """

    def __init__(
        self, network: nn.Module, images: np.ndarray, labels: torch.Tensor, rows: list[np.ndarray], batch: int
    ) -> None:
        self.network = network
        self.images = images
        self.labels = labels
        self.rows = rows
        self.batch = batch
        self.rng = np.random.default_rng(0)
        self.optimizer = torch.optim.Adam(network.parameters(), lr=RATE)

    def epoch(self, best: Path) -> None:
        """Train an epoch, validate it, and save the weights."""
        self.network.train()
        for image, label in self._batches(self.rng.permutation(self.rows[0])):
            self.optimizer.zero_grad()
            loss = F.binary_cross_entropy_with_logits(self.network(image)[:, 0], label)
            loss.backward()
            self.optimizer.step()
        logits, labels = self.predict(self.rows[1])
        print(F.binary_cross_entropy_with_logits(logits, labels).item(), roc_auc_score(labels, logits))
        torch.save(self.network.state_dict(), best)

    @torch.inference_mode()
    def predict(self, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits and labels, both (N,), of some images."""
        self.network.eval()
        pairs = [(self.network(image)[:, 0], label) for image, label in self._batches(rows)]
        logits, labels = zip(*pairs, strict=True)
        return torch.cat(logits), torch.cat(labels)

    def _batches(self, rows: np.ndarray) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for first in range(0, len(rows), self.batch):
            chosen = rows[first : first + self.batch]
            image = torch.from_numpy(self.images[chosen]).permute(0, 3, 1, 2).contiguous().float() / 255
            yield (image - MEAN) / STD, self.labels[torch.from_numpy(chosen)]


def read(folder: Path, size: int) -> tuple[np.ndarray, torch.Tensor]:
    """Return the images of two folders of classes, uint8, (N, size, size, 3), and their classes, float, (N,)."""
    files = sorted(folder.rglob("*.jpg"))
    images = np.empty((len(files), size, size, 3), np.uint8)
    for number, file in enumerate(files):
        image = cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB)  # type: ignore[arg-type] # None without a file
        images[number] = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
    return images, torch.tensor([float(file.parent.name == "b") for file in files])


def main(folder: str, output: str, name: str, size: str, batch: str) -> None:
    """Train two epochs and save weights, and predictions of the validation and test images."""
    keep_memory = ctypes.CDLL(None).mallopt  # as train.py does
    keep_memory(-4, 0)
    keep_memory(-1, -1)
    torch.set_flush_denormal(True)
    images, labels = read(Path(folder), int(size))
    parts = np.array_split(np.random.default_rng(0).permutation(len(images)), 5)
    rows = [np.concatenate(parts[2:]), parts[0], parts[1]]
    best = Path(output, "best.pt")
    best.parent.mkdir(parents=True)
    training = PlainTraining(timm.create_model(name, num_classes=1), images, labels, rows, int(batch))
    for _ in range(EPOCHS):
        training.epoch(best)
    training.network.load_state_dict(torch.load(best))
    kept = np.concatenate(rows[1:])
    logits, truth = training.predict(kept)
    table = pd.DataFrame({"row": kept, "label": truth, "probability": torch.sigmoid(logits)})
    table.to_csv(best.with_name("predictions.csv"), index=False)
    for part in rows[1:]:
        of_part = table[table["row"].isin(part)]
        print(roc_auc_score(of_part["label"], of_part["probability"]))


if __name__ == "__main__":
    main(*sys.argv[1:])
