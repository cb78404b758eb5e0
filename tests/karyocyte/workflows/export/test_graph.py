import numpy as np
import pytest
import torch

from karyocyte.config.schema import InferenceConfig
from karyocyte.inference.onnx_network import OnnxNetwork
from karyocyte.inference.torch_network import PredictionNetwork
from karyocyte.runs.facts import ModelFacts
from karyocyte.workflows.export.graph import export_graph
from lightning_modules.backbones.backbone import build_backbone
from lightning_modules.backbones.heads import build_head
from lightning_modules.modules.classifier import Classifier


def network_of(name, cut, size, orientation):
    """A network of three classes whose random weights tell images apart."""
    torch.manual_seed(0)
    backbone = build_backbone(name, {}, cut, size)
    logits = 6 if orientation else 3
    head = build_head(["gap", "batchnorm", {"dropout": 0.5}], backbone.out_shape, logits, backbone.layout, 1)
    facts = ModelFacts([0.5, 0.4, 0.3], [0.2, 0.3, 0.4], {})
    classifier = Classifier(backbone.module, head, 3, facts, orientation=orientation)
    images = torch.rand(16, 3, *size)
    for _ in range(30):
        classifier.train()(images)  # statistics of BatchNorm
    with torch.no_grad():
        head[-1].weight.mul_(
            2 / classifier.eval()(images).std().clamp(min=1e-3)
        )  # probabilities far from 0, 1 and equal
    return PredictionNetwork(classifier.eval(), InferenceConfig(mirror=True, mc_passes=0))


@pytest.mark.parametrize(
    ("name", "cut", "size", "orientation"),
    [
        ("resnet18", "layer2", (64, 24), True), ("scratch_cnn", None, (60, 60), False),
        ("vit_tiny_patch16_224", "blocks.1", (32, 32), True), ("mobilenetv2_100", "blocks.2", (64, 64), False),
    ],
)  # fmt: skip
def test_a_graph_gives_the_probabilities_of_its_network(tmp_path, name, cut, size, orientation):
    network = network_of(name, cut, size, orientation)
    export_graph(network, size, tmp_path / "graph.onnx", {"classes": "abc"})
    graph = OnnxNetwork(tmp_path / "graph.onnx")
    images = np.random.default_rng(0).integers(0, 256, (7, 3, *size)).astype(np.uint8)
    for batch in (images, images[:1]):
        expected = network.arrays(batch)
        computed = graph.arrays(batch)
        assert computed.keys() == expected.keys()
        assert ("upside_down" in computed) == orientation
        for key, values in computed.items():
            assert values.dtype == np.float32
            assert np.abs(values - expected[key]).max() < 1e-5
    assert expected["probability"].shape == (1, 3)
    assert network.arrays(images)["probability"].std(axis=0).min() > 1e-3
    assert not network.predictor.classifier.training
