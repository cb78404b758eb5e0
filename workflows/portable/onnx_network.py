"""The ONNX graph of a member, run by ONNX Runtime without torch."""

import os
from pathlib import Path

import numpy as np
import onnxruntime

from common.errors import UserError
from datamodules.io.progress import processors

PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")  # in this order, as far as they are installed
ERRORS = 3  # the severity of what ONNX Runtime prints


class OnnxNetwork:
    """A graph from prepared images to probabilities.

    Args:
        path: The graph.
        adaptation: The graph of the BatchNorm statistics; None where they are not to be adapted.

    Raises:
        UserError: The file is no graph that ONNX Runtime can run.
    """

    def __init__(self, path: Path, adaptation: Path | None = None) -> None:
        self.session = _session(path)
        self._adaptation = adaptation
        self._statistics: dict[str, np.ndarray] = {}

    def arrays(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """Return the outputs by name of prepared images, uint8 RGB, shape (B, 3, H, W)."""
        return _run(self.session, {"image": image, **self._statistics})

    def adapt_to(self, images: np.ndarray) -> int:
        """Adapt it to prepared images, uint8 RGB, shape (N, H, W, 3); return the number of layers that were adapted."""
        if self._adaptation is None:
            return 0
        image = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
        self._statistics = _run(_session(self._adaptation), {"image": image})
        return len(self._statistics) // 2  # mean and variance of each


def _session(path: Path) -> onnxruntime.InferenceSession:
    available = onnxruntime.get_available_providers()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = ERRORS  # it warns of statistics that can be replaced
    wanted = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    if wanted.isdecimal():
        options.intra_op_num_threads = int(wanted)
    elif processors() < (os.cpu_count() or 1):  # ONNX Runtime counts those of the machine
        options.intra_op_num_threads = processors()
    # Its threads would otherwise use up the processors while they wait for images to be decoded.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(path, options, [name for name in PROVIDERS if name in available])
    except Exception as error:  # the kinds of ONNX Runtime have no common base
        raise UserError(f"{path}: ONNX Runtime cannot load it: {str(error).splitlines()[0]}") from error


def _run(session: onnxruntime.InferenceSession, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))
