"""How many processes load images, and how they are set up."""

import cv2
import torch

from datamodules.io.progress import processors
from karyocyte.common.preemption import ignore_in_worker
from karyocyte.config.data import LoaderConfig


def number_of_workers(loader: LoaderConfig) -> int:
    """Return how many processes load batches."""
    return processors() - 1 if loader.workers == "cores" else loader.workers


def set_up_worker(worker: int) -> None:
    """Set up a process: OpenCV's threads times the workers would exceed the cores; and the parent handles signals."""
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    ignore_in_worker()
