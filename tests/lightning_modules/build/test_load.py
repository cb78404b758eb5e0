"""A trained model from its run's folder alone."""

from pathlib import Path

import numpy as np
import pytest
import timm
import torch

from karyocyte.common.errors import UserError
from karyocyte.inference.torch_network import PredictionNetwork
from karyocyte.runs.run import Run
from lightning_modules.build.load import load_run
from tests.helpers.training import small_config, write_untrained_run
from tests.lightning_modules.tiny import save_weights

IMAGE = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
CUT = ("model=resnet18", "model.cut=layer2", "unfreeze=head_only")


def test_a_run_of_strangers_builds_nothing_that_it_names(tmp_path):
    folder = tmp_path / "seed=0"
    write_untrained_run(folder, small_config(tmp_path, *CUT))
    values = Run(folder).raw_config
    evil = {"_target_": "os.mkdir", "path": str(tmp_path / "evil")}
    values["callbacks"]["extra"] = {"evil": {**evil, "enabled": True, "changes_result": True}}
    values["logger"]["extra"] = {"evil": evil}
    Run(folder).write_config(values)
    loaded = load_run(folder)
    assert (loaded.classes, loaded.network) == (("hem", "all"), "resnet18 to layer2")
    PredictionNetwork.of_run(loaded, 0, None).arrays(np.zeros((1, 3, 32, 32), np.uint8))
    assert not (tmp_path / "evil").exists()
    values["model"]["name"] = "hf-hub:someone/network"
    Run(folder).write_config(values)
    with pytest.raises(UserError, match=r"model\.name=hf-hub"):
        load_run(folder)


def test_the_arguments_of_a_network_are_saved_with_the_run(tmp_path):
    # Padding of another kind changes every output, and no key or shape of the weights tells of it.
    args = {"num_classes": 0, "pad_type": "same", "bn_eps": 0.1}
    weights = save_weights(tmp_path, timm.create_model("mobilenetv2_035", **args).state_dict())
    given = ("+model.args={pad_type: same, bn_eps: 0.1}", f"weights={weights}")
    chosen = ("model=mobilenetv2", "model.name=mobilenetv2_035", "unfreeze=head_only", *given)
    model = write_untrained_run(tmp_path / "run", small_config(tmp_path, *chosen))
    Path(weights).unlink()
    with torch.no_grad():
        assert torch.equal(load_run(tmp_path / "run").classifier(IMAGE), model(IMAGE))
