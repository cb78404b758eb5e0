"""A trained network from prepared images to probabilities."""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import nn

from karyocyte.config.schema import InferenceConfig
from lightning_modules.build.load import TrainedRun
from lightning_modules.modules.image_network import ClassifierNetwork, ImageNetwork
from lightning_modules.prediction.adaptation import adapt_to_images
from lightning_modules.prediction.out_of_distribution import OutOfDistribution
from lightning_modules.prediction.predictor import Predictor
from lightning_modules.support.checkpoint_io import exported_parts

# Precisions of a run that its network keeps when it predicts other images; float32 else.
AUTOCAST = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
SMALL = 0.05  # share of the numbers of a network that are in its smallest tensors


def save_weights(network: ImageNetwork, path: Path, half: bool = False) -> None:
    """Write the weights of backbone and head; ``half``: in 16 bits, but for the smallest tensors, one number in twenty.

    Rounding these, such as those of the first convolutions, would change probabilities more than rounding all others.
    """
    weights = {}
    state = exported_parts(network).state_dict()
    in_32_bits = SMALL * sum(values.numel() for values in state.values())
    for name, values in sorted(state.items(), key=lambda item: item[1].numel()):
        in_32_bits -= values.numel()
        weights[name] = (values.half() if half and in_32_bits < 0 else values).cpu().contiguous()
    path.write_bytes(save(weights))  # save_file would make a file that only its owner can read


class PredictionNetwork(nn.Module):
    """All from the prepared image to the probabilities: normalisation, network, mirrored and turned views.

    Args:
        classifier: In eval mode.
        inference: Which views are averaged, and the number of passes of Monte Carlo dropout.
        seed: Of the masks of these passes.
        distance: Measures how far images are from the training images; None: it is not measured.
        precision: ``trainer.precision`` of the run; only mixed precision is repeated, all else is float32.
        layout: Memory format of the weights, which convolutions pass on to their outputs.
    """

    def __init__(
        self,
        classifier: ClassifierNetwork,
        inference: InferenceConfig,
        seed: int = 0,
        distance: OutOfDistribution | None = None,
        precision: str = "32-true",
        layout: torch.memory_format = torch.contiguous_format,
    ) -> None:
        super().__init__()
        self.predictor = Predictor(classifier, inference, seed, distance)
        self.turns = classifier.orientation  # whether it estimates which images are upside down
        self._autocast = AUTOCAST.get(precision)
        self._layout = layout
        _set_layout(classifier, layout)
        self.eval()

    @classmethod
    def of_run(cls, trained: TrainedRun, passes: int, distance: OutOfDistribution | None) -> "PredictionNetwork":
        """Return the network of a run as it predicts its own test images, but for the number of passes."""
        config = trained.config
        layout = torch.contiguous_format
        if config.trainer.channels_last:
            layout = torch.channels_last
        inference = config.inference.model_copy(update={"mc_passes": passes})
        network = cls(trained.classifier, inference, config.seed, distance, config.trainer.precision, layout)
        return network.on_best_device()

    def on_best_device(self) -> "PredictionNetwork":
        """Move it to a GPU where torch sees one; return it."""
        return self.to("cuda" if torch.cuda.is_available() else "cpu")

    @torch.inference_mode()
    def arrays(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """Return what ``Predictor`` computes of prepared images, uint8 RGB, shape (B, 3, H, W), by name."""
        device = self.predictor.classifier.mean.device
        with torch.autocast(device.type, self._autocast, enabled=self._autocast is not None):
            predicted = self.predictor(torch.from_numpy(image).to(device).float() / 255)
        return {name: values.float().cpu().numpy() for name, values in predicted.items()}

    def adapt_to(self, images: np.ndarray) -> int:
        """Adapt it to prepared images, uint8 RGB, shape (N, H, W, 3); return the number of layers that were adapted."""
        classifier = self.predictor.classifier
        # In the layout channels_last, torch's variances on a CPU were measured to be off by up to 5e-4 of their value.
        _set_layout(classifier, torch.contiguous_format)
        adapted = adapt_to_images(classifier, images)
        _set_layout(classifier, self._layout)
        return adapted

    def make_fast(self) -> None:
        """Change it so that a CPU computes sooner: the same figures within float error."""
        if not torch.cuda.is_available():
            _set_layout(self.predictor.classifier, torch.channels_last)


def _set_layout(network: nn.Module, layout: torch.memory_format) -> None:
    """Change the memory format of the weights in place."""
    network.to(memory_format=layout)  # type: ignore[call-overload]  # torch does not declare it
