"""A run on batches of whole cells: resumed bit for bit, predicted cell by cell, usable without cells."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from common.errors import UserError
from common.predictions import read_predictions
from common.runs.files import RunFile
from common.runs.run import Run
from datamodules.image_datamodule import ImageDataModule
from lightning_modules.build import build_classifier
from lightning_modules.inference import Predictor
from lightning_modules.load import load_run
from tests.helpers.chromosomes import write_chromosomes
from tests.helpers.training import small_config
from tests.workflows.interrupted_run import Place, preempted, run_unevaluated

NET = ["model=resnet18", "model.cut=layer1", "unfreeze.stages.all.lr=0.003", "context.width=16"]
CANVAS = ["prepare.size=[48,16]", "prepare.canvas.area=120"]


@pytest.fixture(scope="module")
def cells(tmp_path_factory) -> Path:
    return write_chromosomes(tmp_path_factory.mktemp("cells") / "data", cases=6, cells=2, copies=1)


def config_of(cells: Path, home: Path, *overrides: str):
    chosen = [*NET, *CANVAS, "loader.batch_size=2", *overrides]
    return small_config(home, *chosen, experiment="chromosomes_cell", data=[f"data_dir={cells}"])


@pytest.fixture(scope="module")
def run(cells, tmp_path_factory) -> Run:
    return Run(run_unevaluated(config_of(cells, tmp_path_factory.mktemp("whole"))))


def weights(run: Run) -> dict[str, torch.Tensor]:
    return torch.load(run.best_checkpoint, weights_only=True)["state_dict"]


def test_it_goes_on_in_mid_epoch_to_the_very_same_weights(run, cells, tmp_path):
    config = config_of(cells, tmp_path)
    preempted(config, Place("on_train_batch_start", 0, 1, 2))
    resumed = Run(run_unevaluated(config))
    mine, theirs = weights(run), weights(resumed)
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    pd.testing.assert_frame_equal(run.predictions.frame, resumed.predictions.frame)


def test_the_accuracy_of_the_network_alone_is_logged_beside_that_in_the_cell(run):
    assert {"val/acc", "val/acc_alone", "train/acc", "train/acc_alone"} <= set(run.history.columns)


def test_each_cell_is_predicted_as_if_it_were_the_only_one(run, cells, tmp_path):
    trained = load_run(run.folder)
    data = ImageDataModule.from_config(trained.config, progress=False)
    frame = read_predictions(run.folder).frame
    frame_alone = read_predictions(run.path(RunFile.PREDICTIONS_ALONE)).frame
    predictor = Predictor(trained.classifier, trained.config.inference)
    for _, rows in data.manifest.frame[data.parts == "test"].groupby("cell"):
        images = torch.from_numpy(np.stack([data.images[row] for row in rows.index])).permute(0, 3, 1, 2) / 255
        with torch.no_grad():
            alone = predictor(images)["probability"]
            together = predictor(images, torch.zeros(len(rows), dtype=torch.int64))["probability"]
        saved = frame.set_index("image_id").loc[rows["image_id"]].filter(like="prob_").to_numpy()
        assert together.numpy() == pytest.approx(saved, abs=0.01)  # trained and predicted in 16 bit
        saved = frame_alone.set_index("image_id").loc[rows["image_id"]].filter(like="prob_").to_numpy()
        assert alone.numpy() == pytest.approx(saved, abs=0.01)
        assert not torch.allclose(alone, together, atol=1e-6)


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("loader.batch_by=image", "loader.batch_by=cell"),
        ("protocol=image", "protocol=image"),
        ("trainer.devices=2", "trainer.devices=1"),
        ("balance=weighted_sampling", "balance=weighted_sampling"),
        ("context.heads=3", "heads=3"),
        ("context.fit.draws=2", "init_from"),
        ("context.enabled=false loader.batch_by=image transform.cells.drop=0.1", "transform.cells"),
    ],
)
def test_what_would_split_cells_or_does_not_fit_is_refused(cells, tmp_path, override, named):
    with pytest.raises(UserError, match=named):
        config_of(cells, tmp_path, *override.split())


def test_training_cells_are_changed_anew_in_each_epoch_and_validation_cells_never(cells, tmp_path):
    config = config_of(cells, tmp_path, "transform.cells={drop: 0.3, add: 0.5, aneuploidy: 0.5}")
    data = ImageDataModule.from_config(config, progress=False)

    def served(epoch: int) -> list[tuple[int, int]]:
        data._position = lambda: (epoch, 0)
        batches = [data.on_after_batch_transfer(batch, 0) for batch in data.train_dataloader()]
        rows = torch.cat([batch["index"] for batch in batches]).tolist()
        return list(zip(rows, torch.cat([batch["cell"] for batch in batches]).tolist(), strict=True))

    assert served(0) == served(0)
    assert sorted(served(0)) != sorted(served(1))
    assert {row for row, _ in served(0)} <= set(data.rows("train"))
    rows = np.concatenate([batch[2].numpy() for batch in data.val_dataloader()])
    assert sorted(rows) == list(data.rows("validation"))


def test_the_context_alone_is_trained_on_kept_features_of_a_finished_network(run, cells, tmp_path):
    whole = "transform.cells={drop: 0, add: 0, aneuploidy: 0}"
    fit = ["context.fit={draws: 2, epochs: 3, cells: 3}", whole, f'init_from="{run.folder}"']
    fitted = Run(run_unevaluated(config_of(cells, tmp_path, *fit)))
    before, after = weights(run), weights(fitted)
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"context"}
    assert fitted.status.images_seen == 3 * 6 * 24  # epochs, training cells, their chromosomes
    assert load_run(fitted.folder).config.context.fit.draws == 2
    again = Run(run_unevaluated(config_of(cells, tmp_path / "again", *fit)))
    assert all(torch.equal(after[name], weights(again)[name]) for name in after)


def test_the_context_of_a_network_that_had_none_starts_at_zero(cells, tmp_path):
    plain = Run(run_unevaluated(config_of(cells, tmp_path, "context.enabled=false")))
    config = config_of(cells, tmp_path, f'init_from="{plain.folder}"')
    model, _ = build_classifier(config, plain.data.classes, None)
    assert not model.context.correction.weight.any()
    before = weights(plain)
    assert all(torch.equal(model.state_dict()[name], before[name]) for name in before)


def test_images_without_cells_are_refused(cells, tmp_path):
    config = config_of(cells, tmp_path, "data.cell_column=null", "prepare.canvas.scale_by=image")
    with pytest.raises(UserError, match=r"data\.cell_column"):
        ImageDataModule.from_config(config, progress=False).setup()


def test_passes_of_monte_carlo_dropout_are_refused(cells, tmp_path):
    with pytest.raises(UserError, match=r"inference\.mc_passes=3"):
        run_unevaluated(config_of(cells, tmp_path, "inference.mc_passes=3", "head.layers=[gap,{dropout: 0.5}]"))
