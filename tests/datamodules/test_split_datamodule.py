"""What data modules of all kinds of pictures refuse."""

from types import SimpleNamespace

import pytest

from cytogenetics.metaphases.data.data_module import MetaphaseDataModule
from datamodules.image_datamodule import ImageDataModule
from karyocyte.common.errors import UserError


def test_a_trainer_of_several_devices_may_not_divide_the_images_once_more(tmp_path):
    data = ImageDataModule("synthetic", images=40, subjects=10, size=32, cache_dir=tmp_path, progress=False)
    connector = SimpleNamespace(use_distributed_sampler=True)
    data.trainer = SimpleNamespace(world_size=2, global_rank=0, state=None, _accelerator_connector=connector)
    with pytest.raises(UserError, match="needs use_distributed_sampler=False"):
        data.val_dataloader()


@pytest.mark.parametrize(("module", "data"), [(ImageDataModule, "synthetic_metaphases"), (MetaphaseDataModule, "cnmc")])
def test_a_data_module_refuses_the_data_of_another_network(module, data, tmp_path):
    with pytest.raises(UserError, match=f'{data}"? is for a'):
        module(data, cache_dir=tmp_path)
