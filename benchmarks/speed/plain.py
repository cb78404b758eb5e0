"""A training as a good engineer writes it by hand; ``plain.py IMAGES OUTPUT NETWORK SIZE BATCH`` imports no more.

NETWORK is a name of timm, or "resnet50 to layer3". The C library returns freed memory to the system.
"""

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
    """Trains a network, (B, 3, H, W) -> logits (B, 1), on images in memory, uint8, (N, H, W, 3), of classes 0 and 1."""

    def __init__(self, network: nn.Module, images: np.ndarray, labels: torch.Tensor, batch: int) -> None:
        self.network, self.images, self.labels, self.batch = network, images, labels, batch
        self.rng = np.random.default_rng(0)
        self.optimizer = torch.optim.Adam(network.parameters(), lr=RATE)

    def epoch(self, rows: np.ndarray, validation: np.ndarray, best: Path) -> None:
        """Train an epoch on some rows, validate it, and save the weights."""
        self.network.train()
        for image, label in self._batches(self.rng.permutation(rows)):
            self.optimizer.zero_grad()
            F.binary_cross_entropy_with_logits(self.network(image)[:, 0], label).backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
        logits = self.predict(validation)
        truth = self.labels[validation]
        print(F.binary_cross_entropy_with_logits(logits, truth).item(), roc_auc_score(truth, logits))
        torch.save(self.network.state_dict(), best)

    @torch.inference_mode()
    def predict(self, rows: np.ndarray) -> torch.Tensor:
        """Return logits, (N,), of some rows."""
        self.network.eval()
        return torch.cat([self.network(image)[:, 0] for image, _ in self._batches(rows)])

    def _batches(self, rows: np.ndarray) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for first in range(0, len(rows), self.batch):
            chosen = rows[first : first + self.batch]
            image = torch.from_numpy(self.images[chosen]).permute(0, 3, 1, 2).contiguous().float() / 255
            yield (image - MEAN) / STD, self.labels[chosen]


def create_network(name: str) -> nn.Module:
    """Return a network with random weights and one logit."""
    name, _, cut = name.partition(" to ")
    network = timm.create_model(name, num_classes=1)
    if cut:
        network.layer4, network.fc = nn.Identity(), nn.Linear(1024, 1)
    return network


def main(folder: str, output: str, name: str, size: str, batch: str) -> None:
    """Train two epochs on the images of two folders of classes, and save weights, and predictions of the others."""
    torch.set_flush_denormal(True)
    files = sorted(Path(folder).rglob("*.jpg"))
    images = np.empty((len(files), int(size), int(size), 3), np.uint8)
    for number, file in enumerate(files):
        image = cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB)  # type: ignore[arg-type] # None without a file
        images[number] = cv2.resize(image, images.shape[1:3], interpolation=cv2.INTER_AREA)
    labels = torch.tensor([float(file.parent.name == "b") for file in files])
    parts = np.array_split(np.random.default_rng(0).permutation(len(images)), 5)
    best = Path(output, "best.pt")
    best.parent.mkdir(parents=True)
    training = PlainTraining(create_network(name), images, labels, int(batch))
    for _ in range(EPOCHS):
        training.epoch(np.concatenate(parts[2:]), parts[0], best)
    training.network.load_state_dict(torch.load(best))
    for part, rows in zip(("validation", "test"), parts, strict=False):
        logits, truth = training.predict(rows), labels[rows]
        print(roc_auc_score(truth, logits))
        table = pd.DataFrame({"row": rows, "label": truth, "probability": torch.sigmoid(logits)})
        table.to_csv(best.with_name(f"{part}.csv"), index=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
