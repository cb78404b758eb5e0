"""The ONNX graph of a member, run by ONNX Runtime without torch."""

import os
from pathlib import Path

import numpy as np
import onnxruntime

from datamodules.io.progress import processors
from karyocyte.common.errors import UserError

PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")  # in this order, as far as they are installed


class OnnxNetwork:
    """A graph from prepared images to probabilities.

    Args:
        path: The graph.

    Raises:
        UserError: The file is no graph that ONNX Runtime can run.
    """

    def __init__(self, path: Path) -> None:
        self.session = _session(path)

    def arrays(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """Return the outputs by name of prepared images, uint8 RGB, shape (B, 3, H, W)."""
        outputs = [output.name for output in self.session.get_outputs()]
        return dict(zip(outputs, self.session.run(None, {"image": image}), strict=True))

    def adapt_to(self, images: np.ndarray) -> int:
        """Adapt no layer: a graph keeps its statistics."""
        return 0

    def make_fast(self, size: int | tuple[int, int]) -> None:
        """Do nothing: a graph is exported so."""


def _session(path: Path) -> onnxruntime.InferenceSession:
    available = onnxruntime.get_available_providers()
    providers = [name for name in PROVIDERS if name in available]
    options = onnxruntime.SessionOptions()
    wanted = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    options.intra_op_num_threads = int(wanted or processors())  # ONNX Runtime counts those of the machine
    # Its threads would otherwise use up the processors while they wait for images to be decoded.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(path, options, list(providers))
    except Exception as error:  # the kinds of ONNX Runtime have no common base
        raise UserError(f"{path}: ONNX Runtime cannot load it: {str(error).splitlines()[0]}") from error
