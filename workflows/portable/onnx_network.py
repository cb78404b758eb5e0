"""The ONNX graph of a member, run by ONNX Runtime without torch."""

from pathlib import Path

import numpy as np
import onnxruntime

from common.errors import UserError

PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")  # in this order, as far as they are installed


class OnnxNetwork:
    """A graph from prepared images to probabilities.

    Raises:
        UserError: The file is no graph that ONNX Runtime can run.
    """

    def __init__(self, path: Path) -> None:
        available = onnxruntime.get_available_providers()
        try:
            self.session = onnxruntime.InferenceSession(
                path, providers=[name for name in PROVIDERS if name in available]
            )
        except Exception as error:  # the kinds of ONNX Runtime have no common base
            raise UserError(f"{path}: ONNX Runtime cannot load it: {str(error).splitlines()[0]}") from error

    def arrays(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """Return the outputs by name of prepared images, uint8 RGB, shape (B, 3, H, W)."""
        names = [output.name for output in self.session.get_outputs()]
        return dict(zip(names, self.session.run(names, {"image": image}), strict=True))
