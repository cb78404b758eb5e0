"""Every public method and attribute of every data module works."""

from types import SimpleNamespace

import numpy as np
import pytest

from cytogenetics.metaphases.data.composed import ComposedDataModule
from cytogenetics.metaphases.data.data_module import MetaphaseDataModule
from datamodules.image_datamodule import ImageDataModule
from datamodules.split_datamodule import SplitDataModule
from karyocyte.common.errors import UserError

CELLS = {"data": "synthetic", "images": 40, "subjects": 10, "size": 32, "split": {"near_duplicates": "off"}}
PICTURES = {
    "data": "synthetic_metaphases",
    "cells": 9,
    "cases": 9,
    "abnormal": 0.5,
    "batch_size": 2,
    "split": {"folds": 3},
}
MODULES = {
    ImageDataModule: CELLS,
    MetaphaseDataModule: PICTURES,
    ComposedDataModule: PICTURES | {"transform": "none"},
}
ROWS = np.arange(2)
ARGUMENTS = {
    "image_names": lambda data: ([0, 1],),
    "in_order": lambda data: (ROWS, None),
    "loader": lambda data: (data.plain_set(ROWS),),
    "of_training_images": lambda data: (2,),
    "number_as": lambda data: (data.manifest.classes,),
    "on_after_batch_transfer": lambda data: (next(iter(data.val_dataloader())), 0),
    "plain_set": lambda data: (ROWS,),
    "prepared": lambda data: (ROWS,),
    "rows": lambda data: ("test",),
    "train_sampler": lambda data: (lambda: (0, 0),),
    "write_facts": lambda data: (data.cache_dir / "run",),
}


def public_names(module: type) -> list[str]:
    """The names of methods and attributes that a data module has beside those of Lightning's base class."""
    ours = [cls for cls in module.__mro__ if issubclass(cls, SplitDataModule)]
    return sorted({name for cls in ours for name in vars(cls) if not name.startswith("_")})


@pytest.mark.parametrize("module", MODULES)
def test_every_method_and_attribute_of_a_data_module_works(module, tmp_path):
    data = module(**MODULES[module], cache_dir=tmp_path, progress=False)
    for name in public_names(module):
        value = getattr(data, name)
        if callable(value):
            value = value(*ARGUMENTS.get(name, lambda data: ())(data))
        if name.endswith("dataloader") and name != "train_dataloader":  # whose position is that of a trainer
            assert len(next(iter(value))) > 0
        assert value is not None or name in ("number_as", "prepare_data", "setup", "write_facts"), name


def test_a_trainer_of_several_devices_may_not_divide_the_images_once_more(tmp_path):
    data = ImageDataModule(**CELLS, cache_dir=tmp_path, progress=False)
    connector = SimpleNamespace(use_distributed_sampler=True)
    data.trainer = SimpleNamespace(world_size=2, global_rank=0, state=None, _accelerator_connector=connector)
    with pytest.raises(UserError, match="needs use_distributed_sampler=False"):
        data.val_dataloader()


@pytest.mark.parametrize(("module", "data"), [(ImageDataModule, "synthetic_metaphases"), (MetaphaseDataModule, "cnmc")])
def test_a_data_module_refuses_the_data_of_another_network(module, data, tmp_path):
    with pytest.raises(UserError, match=f'{data}"? is for a'):
        module(data, cache_dir=tmp_path)
