"""How the processes that load images are set up."""

import cv2
import torch

from karyocyte.common.preemption import ignore_in_worker


def set_up_worker(worker: int) -> None:
    """Set up a process: OpenCV's threads times the workers would exceed the cores; and the parent handles signals."""
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    ignore_in_worker()
