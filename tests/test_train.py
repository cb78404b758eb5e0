"""The command line, as a user types it: what it writes, what it prints, and how its errors read."""

from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest

from datamodules.image_datamodule import ImageDataModule
from karyocyte.commands import train
from karyocyte.common.paths import without_machine
from karyocyte.evaluation.pages.thumbnails import read_pictures
from karyocyte.evaluation.types.result import EvaluationResult, Kind
from karyocyte.runs.files import RunFile
from karyocyte.runs.run import Run
from karyocyte.workflows.training import classification
from tests.helpers.images import decoded
from tests.helpers.training import SMALL, call_main

pytestmark = pytest.mark.usefixtures("blank_figures")
SCREEN = 48  # lines
FILES = """config.yaml confusion_matrix.png data.json environment.json model.json identity.json leaks.json
learning_curves.png metrics.json predictions.parquet reliability.png roc.png split.csv status.json logs"""
RESNET18 = [*SMALL, "model=resnet18"]
CUT = ["+experiment=resnet18_cut_block5", *SMALL]


def runs(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "outputs").glob("*/*/seed=0"))


@pytest.fixture
def call_here(tmp_path, capsys):
    """A function that calls train.py within this process and returns exit code and stderr."""
    return lambda *overrides: (call_main(train.main, tmp_path, *overrides), capsys.readouterr().err.strip())


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The output and the folder of a small run."""
    tmp_path = tmp_path_factory.mktemp("finished")
    with redirect_stdout(StringIO()) as printed:
        assert call_main(train.main, tmp_path, *CUT) == 0
    return printed.getvalue(), runs(tmp_path)[0]


def test_a_run_leaves_all_that_it_promises(finished):
    output, folder = finished
    run = Run(folder)
    assert {path.name for path in folder.iterdir()} >= set(FILES.split())
    assert run.status.state == "finished"
    assert run.environment["revision"]
    assert "+experiment=resnet18_cut_block5" in run.environment["command"]
    assert str(folder) in output.replace("\n", "")
    assert "SYNTHETIC" in output
    assert len(output.splitlines()) <= SCREEN
    assert run.status.best == "checkpoints/2-finetune/best.ckpt"
    assert [path.name for path in (folder / "checkpoints").rglob("*.ckpt")] == ["best.ckpt"]


def test_the_usage_is_that_of_the_whole_run(finished):
    run = Run(finished[1])
    assert run.usage["wall_seconds"] > run.status.wall_seconds > 0  # preparation and prediction count too
    assert run.usage["cpu_seconds"] > 0


def test_the_pictures_that_a_run_keeps_are_its_test_images(finished):
    run = Run(finished[1])
    data = ImageDataModule(run.config, progress=False)
    rows = pd.Series(data.manifest.frame.index, data.manifest.frame["image_id"])[data.parts.to_numpy() == "test"]
    pictures = read_pictures(run.path(RunFile.THUMBNAILS))
    assert set(pictures) == set(rows.index)
    for name, picture in pictures.items():
        assert abs(decoded(picture).astype(float) - data.images[rows[name]]).mean() < 10  # of 255: they are compressed


def test_the_same_command_evaluates_a_finished_run_again_without_training(finished, monkeypatch, capsys):
    output, folder = finished
    used = Run(folder).usage
    assert call_main(train.main, folder.parents[3], *CUT) == 0
    assert Run(folder).usage == used  # nothing is spent
    again = capsys.readouterr().out
    closing = again.partition("finished already")[2]
    assert closing.endswith(output[output.index(" test images (") :])
    shown, _, details = (folder / "summary.txt").read_text().partition("\nThe whole evaluation\n\n")
    assert str(folder) not in shown  # it may be passed on
    assert shown in again.replace(str(folder), without_machine(folder))
    assert "precision/" in details
    (folder / "roc.png").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(classification, "StagedTraining", lambda *_: pytest.fail("trained again"))
        assert call_main(train.main, folder.parents[3], *CUT) == 0
    assert (folder / "roc.png").is_file()


def test_baselines_without_a_network_are_beside_the_result(finished):
    run = Run(finished[1])
    result = EvaluationResult.from_dict(run.metrics)
    baselines = result.sections(Kind.BASELINE)
    assert list(baselines) == ["area alone", "brightness and size"]
    for name, metrics in baselines.items():
        assert metrics["auc"].n == result.metrics["auc"].n
        assert f"by {name}: AUC {metrics['auc'].value:.3f}" in (finished[1] / "summary.txt").read_text()


def test_each_epoch_has_the_metrics_of_paper_001_on_training_and_validation(finished):
    history = Run(finished[1]).history
    for part in ("train", "val"):
        columns = [f"{part}/{name}" for name in ("loss", "acc", "auc", "precision", "recall")]
        assert history[columns].notna().all(axis=None)
        assert history[columns[1:]].stack().between(0, 1).all()


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("trainer.accelerator=cuda", "use trainer.accelerator=cpu"),
        ("weights=resnet18.absent", "no such tag"),
        ("model.name=resnet51", "close to it: resnet51q"),
        ("model.cut=layer9", "close to it: layer4"),
        ("optimizer._target_=torch.optim.Admm", "did you mean Adam"),
        ("+callbacks.extra.mine._target_=pytorch_lightning.callbacks.Stop", "correct callbacks.extra.mine._target_"),
        ("+evaluation.extra.mine._target_=evaluation.none", "correct evaluation.extra.mine._target_"),
    ],
)
def test_what_needs_no_image_is_said_before_any_is_read(override, words, monkeypatch, call_here):
    monkeypatch.setattr(ImageDataModule, "setup", lambda *_: pytest.fail("images are read"))
    code, error = call_here(*RESNET18, "unfreeze=whole", override)
    assert (code, error.count("\n")) == (1, 0)
    assert words in error


def test_a_run_folder_can_be_typed_although_its_name_has_an_equals_sign(finished, tmp_path, call_here):
    assert call_here(*CUT, f"init_from={finished[1]}", "trainer.max_epochs=1")[0] == 0
    assert [path.name for path in (runs(tmp_path)[0] / "checkpoints").iterdir()] == ["1-finetune"]


def test_starting_from_another_fold_would_leak(finished, tmp_path, call_here):
    code, error = call_here(*CUT, f"init_from={finished[1]}", "split.fold=1")
    assert code == 1
    assert "of the images that evaluate this run" in error
    assert not (tmp_path / "outputs").exists()
