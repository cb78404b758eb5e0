"""Teachers: finished runs of the same split."""

import shutil
from pathlib import Path

import pytest
import torch

from common.errors import UserError
from common.runs.address import config_fact, run_identity
from datamodules.image_datamodule import ImageDataModule
from tests.helpers.training import small_config, write_untrained_run
from workflows.distillation import load_teachers, teachers_content

NET = ["model=resnet18", "model.cut=layer1", "head.logits=2", "unfreeze=whole"]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("teacher") / "run"
    config = small_config(folder.parent, *NET)
    write_untrained_run(folder, config)
    data_of(config).write_facts(folder)
    return folder


def data_of(config) -> ImageDataModule:
    data = ImageDataModule.from_config(config, progress=False)
    data.setup()
    return data


def student(teacher: Path, *overrides: str):
    return small_config(teacher.parent, *NET, f"loss.teachers=[{teacher}]", *overrides)


def test_teachers_are_loaded_in_eval_mode(teacher):
    config = student(teacher)
    (loaded,) = load_teachers(config, data_of(config))
    assert not loaded.training
    best = torch.load(teacher / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    assert all(torch.equal(value, best[name]) for name, value in loaded.state_dict().items())


@pytest.mark.parametrize(("override", "named"), [("split.fold=1", "loss.teachers"), ("prepare.size=40", "prepare")])
def test_a_teacher_of_another_fold_or_preparation_is_refused(teacher, override, named):
    config = student(teacher, override)
    with pytest.raises(UserError, match=named):
        load_teachers(config, data_of(config))


def test_the_identity_of_a_run_has_the_weights_of_its_teachers_and_not_where_they_lie(teacher, tmp_path):
    def identity(folder: Path):
        config = student(teacher).model_copy(update={"loss": student(folder).loss})
        return run_identity(config, {"weights": "random", **teachers_content(config)})

    moved = tmp_path / "moved"
    shutil.copytree(teacher, moved)
    assert identity(moved) == identity(teacher)
    torch.save({"state_dict": {}}, moved / "checkpoints" / "best.ckpt")
    assert identity(moved) != identity(teacher)
    assert teachers_content(small_config(tmp_path)) == {}


def test_runs_with_teachers_of_different_configurations_are_not_folds_of_one_experiment(teacher, tmp_path):
    def fact(*teachers: Path) -> str:
        config = student(teacher)
        loss = config.loss.model_copy(update={"teachers": tuple(map(str, teachers))})
        config = config.model_copy(update={"loss": loss})
        return config_fact(run_identity(config, {"weights": "random", **teachers_content(config)}))

    def other(name: str, *overrides: str) -> Path:
        write_untrained_run(tmp_path / name, small_config(tmp_path, *NET, *overrides))
        return tmp_path / name

    next_fold = other("fold1", "split.fold=1")
    assert fact(next_fold) == fact(teacher)
    different = {
        fact(),
        fact(teacher),
        fact(teacher, other("seed", "seed=7")),
        fact(other("epochs", "trainer.max_epochs=7")),
    }
    assert len(different) == 4
