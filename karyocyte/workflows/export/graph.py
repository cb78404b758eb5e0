"""ONNX graphs of networks."""

import warnings
from collections.abc import Mapping
from pathlib import Path

import onnx
import torch

from karyocyte.common.errors import UserError
from karyocyte.inference.torch_network import PredictionNetwork
from karyocyte.workflows.export.export_request import OPSET


def export_graph(network: PredictionNetwork, shape: tuple[int, int], path: Path, properties: Mapping[str, str]) -> None:
    """Write a network as an ONNX graph: "image", uint8 RGB (batch, 3, H, W), any batch, to its outputs.

    Args:
        network: In eval mode, on the CPU.
        shape: Height and width of the images in pixels.
        path: The file to write.
        properties: Kept in the file, for who has it without its folder.

    Raises:
        UserError: The network has an operation that ONNX lacks.
    """
    # Two images: of a single one the tracer could take the batch for a constant.
    image = torch.zeros(2, 3, *shape, dtype=torch.uint8)
    with warnings.catch_warnings(), torch.no_grad():
        # Of shapes that the tracer takes for constants, and of the exporter's age: the results are compared.
        warnings.simplefilter("ignore")
        try:
            # The newer exporter was measured to take 3 to 20 times as long, and needs onnxscript beside onnx.
            torch.onnx.export(
                network,
                (image,),
                path,
                input_names=["image"],
                output_names=list(network.outputs),
                dynamic_axes={name: {0: "batch"} for name in ("image", *network.outputs)},
                opset_version=OPSET,
                dynamo=False,
            )
        except (torch.onnx.errors.OnnxExporterError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0]
            raise UserError(f"the network cannot be written as an ONNX graph: {reason}") from error
    graph = onnx.load(path)
    onnx.helper.set_model_props(graph, dict(properties))
    onnx.save(graph, path)
