"""Too little memory, a killed process of the loader: one line."""

import os
import signal

import pytest
import torch
from torch.utils.data import DataLoader

from datamodules.prepared_dataset import PreparedDataset
from karyocyte.common.errors import UserError
from karyocyte.config.data import LoaderConfig
from lightning_modules.training.machine_faults import explained_faults
from tests.helpers.training import run_unevaluated, small_config

TINY = ["model=resnet18", "model.cut=layer1", "unfreeze=head_only"]
CUDA = "CUDA out of memory. Tried to allocate 2.00 GiB"


@pytest.mark.parametrize(
    ("stage", "words"), [("all", "batch_size=4, with trainer.accumulate_grad_batches"), (None, "batch_size=4$")]
)
def test_too_little_memory_of_a_gpu_names_a_batch_size(stage, words):
    loader = LoaderConfig(batch_size=8)
    message = f"with loader.batch_size=8: try loader.{words}"
    with pytest.raises(UserError, match=message), explained_faults(loader, stage):
        raise torch.OutOfMemoryError(CUDA)


def test_batchnorm_of_one_value_per_channel_names_the_remedies():
    layer = torch.nn.BatchNorm2d(3)
    with pytest.raises(UserError, match=r"all\.batchnorm=frozen"), explained_faults(LoaderConfig(), "all"):
        layer(torch.zeros(1, 3, 1, 1))
    with explained_faults(LoaderConfig(), "all"):
        layer(torch.zeros(2, 3, 1, 1))
        layer.eval()(torch.zeros(1, 3, 1, 1))


def test_a_killed_process_of_the_loader_is_one_line(tmp_path, monkeypatch):
    read = PreparedDataset.__getitems__
    parent = os.getpid()

    def killed(self, keys):
        if os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
        return read(self, keys)

    monkeypatch.setattr(PreparedDataset, "__getitems__", killed)
    with pytest.raises(UserError, match="a process that loads images .*: set loader.workers below 1"):
        run_unevaluated(small_config(tmp_path, *TINY, "loader.workers=1"))


class Broken:
    def __len__(self):
        return 1

    def __getitem__(self, index):
        raise UserError("a.png is broken")


def test_an_error_of_a_process_is_its_message_alone():
    with pytest.raises(UserError, match=r"^a.png is broken$"), explained_faults(LoaderConfig()):
        next(iter(DataLoader(Broken(), num_workers=1)))
