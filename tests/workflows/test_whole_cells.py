"""Runs with the context of the cell: trained with the network or after it, resumed bit for bit."""

import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from common.config.compose import compose_config
from common.errors import UserError
from common.predictions import read_predictions
from common.preemption import Preempted, watched
from common.runs.files import RunFile
from common.runs.run import Run
from datamodules.image_datamodule import ImageDataModule
from datamodules.inference.external_datamodule import scan_external
from lightning_modules.build import build_classifier
from lightning_modules.inference import Predictor
from lightning_modules.load import load_run
from lightning_modules.stages import context_fit, fit
from tests.helpers.chromosomes import write_chromosomes, write_table
from tests.helpers.training import small_config
from tests.workflows.interrupted_run import Place, preempted, run_unevaluated
from workflows.external import ExternalDataset, predict_external

NET = ["model=resnet18", "model.cut=layer1", "unfreeze.stages.all.lr=0.003"]
CANVAS = ["prepare.size=[48,16]", "prepare.canvas.area=120"]
TOGETHER = ["context.fit.draws=0", "loader.batch_by=cell", "loader.batch_size=2"]
AFTER = ["context.fit={draws: 2, epochs: 3, cells: 3}", "transform.cells={drop: 0, add: 0, aneuploidy: 0}"]


@pytest.fixture(scope="module")
def cells(tmp_path_factory) -> Path:
    return write_chromosomes(tmp_path_factory.mktemp("cells") / "data", cases=6, cells=2, copies=1)


def config_of(cells: Path, home: Path, *overrides: str, experiment: str = "chromosomes_cell"):
    context = ["context.width=16"] if experiment == "chromosomes_cell" else []
    chosen = [*NET, *CANVAS, *context, "loader.batch_size=16", *overrides]
    return small_config(home, *chosen, experiment=experiment, data=[f"data_dir={cells}"])


@pytest.fixture(scope="module")
def run(cells, tmp_path_factory) -> Run:
    """Context and network trained together."""
    return Run(run_unevaluated(config_of(cells, tmp_path_factory.mktemp("together"), *TOGETHER)))


@pytest.fixture(scope="module")
def network(cells, tmp_path_factory) -> Run:
    """A network of single chromosomes."""
    home = tmp_path_factory.mktemp("network")
    return Run(run_unevaluated(config_of(cells, home, experiment="chromosomes_any")))


@pytest.fixture(scope="module")
def in_one(cells, tmp_path_factory) -> Run:
    """The context trained after the network, in one run."""
    return Run(run_unevaluated(config_of(cells, tmp_path_factory.mktemp("in_one"), *AFTER)))


def weights(run: Run) -> dict[str, torch.Tensor]:
    return torch.load(run.best_checkpoint, weights_only=True)["state_dict"]


def assert_same(one: Run, other: Run) -> None:
    mine, theirs = weights(one), weights(other)
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    pd.testing.assert_frame_equal(one.predictions.frame, other.predictions.frame)
    assert one.status.images_seen == other.status.images_seen


def test_it_goes_on_in_mid_epoch_to_the_very_same_weights(run, cells, tmp_path):
    config = config_of(cells, tmp_path, *TOGETHER)
    preempted(config, Place("on_train_batch_start", 0, 1, 2))
    assert_same(run, Run(run_unevaluated(config)))


def test_the_accuracy_of_the_network_alone_is_logged_beside_that_in_the_cell(run, in_one):
    assert {"val/acc", "val/acc_alone", "train/acc", "train/acc_alone"} <= set(run.history.columns)
    last = in_one.history.iloc[-1]
    assert last["stage"] == "context"
    assert last[["val/acc", "val/acc_alone"]].notna().all()


@pytest.mark.parametrize("kind", ["run", "in_one"])
def test_each_cell_is_predicted_as_if_it_were_the_only_one(kind, cells, request):
    run = request.getfixturevalue(kind)
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
        ("context.fit.draws=0", "loader.batch_by=cell"),
        ("loader.batch_by=cell", "loader.batch_by=image"),
        ("protocol=image", "context.enabled=true, but protocol=image"),
        ("context.fit.draws=0 loader.batch_by=cell protocol=image", "loader.batch_by=cell, but protocol=image"),
        ("trainer.devices=2", "trainer.devices=1.*init_from"),
        ("balance=weighted_sampling", "balance=weighted_sampling"),
        ("context.heads=3", "heads=3"),
        ("context.enabled=false", "transform.cells"),
    ],
)
def test_what_would_split_cells_or_does_not_fit_is_refused(cells, tmp_path, override, named):
    with pytest.raises(UserError, match=named):
        config_of(cells, tmp_path, *override.split())


@pytest.fixture(scope="module")
def other(tmp_path_factory) -> ExternalDataset:
    """Cells of another laboratory, listed class by class."""
    root = write_chromosomes(tmp_path_factory.mktemp("other") / "data", cases=2, cells=4, copies=1)
    write_table(root / "labels.csv", pd.read_csv(root / "labels.csv").sort_values("class", kind="stable"))
    config = compose_config(["data=chromosomes", f"data_dir={root}", f"cache_dir={root.parent / 'cache'}"])
    scanned, config = scan_external(config, [], progress=False)
    return ExternalDataset("other", scanned, config, {}, unlabelled=False)


def test_cells_of_another_laboratory_are_predicted_in_their_context(run, other, tmp_path):
    result = predict_external(run, tmp_path, other)
    test = result.predictions.part("test").frame
    assert test["image_id"].tolist() == other.scanned.frame["image_id"].iloc[result.rows].tolist()
    assert test["cell"].tolist() != other.scanned.frame["cell"].iloc[np.sort(result.rows)].tolist()  # cell by cell
    assert result.predictions.alone is not None
    assert not any("context" in note for note in result.predictions.about["external"]["notes"])


def test_it_is_said_where_the_context_cannot_be_used(run, other, tmp_path):
    frame = other.scanned.frame.copy()
    frame.loc[frame.index[-1], "cell"] = None
    predictions = predict_external(
        run, tmp_path, replace(other, scanned=replace(other.scanned, frame=frame))
    ).predictions
    assert predictions.alone is None
    notes = predictions.about["external"]["notes"]
    assert "1 image without a known cell: all are predicted without the context of the cell" in notes


def test_training_cells_are_changed_anew_in_each_epoch_and_validation_cells_never(cells, tmp_path):
    config = config_of(cells, tmp_path, *TOGETHER, "transform.cells={drop: 0.3, add: 0.5, aneuploidy: 0.5}")
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


def test_one_run_trains_the_network_as_if_alone_and_then_the_context(in_one, network):
    before, after = weights(network), weights(in_one)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert {name.split(".")[0] for name in after.keys() - before.keys()} == {"context"}
    assert after["context.correction.weight"].any()
    curves = in_one.history.query("stage == 'all'").dropna(axis="columns")
    pd.testing.assert_frame_equal(curves, network.history, check_like=True)
    assert in_one.status.images_seen == network.status.images_seen + 3 * 6 * 24  # epochs, cells, their chromosomes
    assert [path.parent.name for path in in_one.folder.glob("checkpoints/*/*.ckpt")] == ["2-context"]
    assert (in_one.progress["stage"], in_one.progress["stages"], in_one.progress["over"]) == (2, 2, True)
    alone = read_predictions(in_one.path(RunFile.PREDICTIONS_ALONE)).frame.set_index("image_id").filter(like="prob_")
    theirs = network.predictions.frame.set_index("image_id").filter(like="prob_").loc[alone.index]
    assert alone.to_numpy() == pytest.approx(theirs.to_numpy(), abs=0.01)  # batches of other sizes, in 16 bit


def test_a_finished_network_is_given_the_same_context(in_one, network, cells, tmp_path, monkeypatch):
    monkeypatch.setattr(fit, "_fit_stage", lambda *_: pytest.fail("the network was trained again"))
    fitted = Run(run_unevaluated(config_of(cells, tmp_path, *AFTER, f'init_from="{network.folder}"')))
    mine, theirs = weights(in_one), weights(fitted)
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    assert fitted.status.images_seen == 3 * 6 * 24
    assert load_run(fitted.folder).config.context.fit.draws == 2


@pytest.mark.parametrize(
    ("name", "calls"),
    [
        pytest.param("keep_features", 1, id="between network and context"),
        pytest.param("keep_features", 2, id="between two draws"),
        pytest.param("_batches", 2, id="between two epochs"),
        pytest.param("write_json", 1, id="before the record of the stage"),
    ],
)
def test_interrupted_after_the_network_it_trains_the_context_alone(in_one, cells, tmp_path, monkeypatch, name, calls):
    config = config_of(cells, tmp_path, *AFTER)
    called = []

    def interrupted(*args):
        called.append(args)
        if len(called) == calls:
            signal.raise_signal(signal.SIGTERM)
        return plain(*args)

    with monkeypatch.context() as patch:
        plain = getattr(context_fit, name)
        patch.setattr(context_fit, name, interrupted)
        with pytest.raises(Preempted), watched():
            run_unevaluated(config)
    monkeypatch.setattr(fit, "_fit_stage", lambda *_: pytest.fail("the network was trained again"))
    assert_same(in_one, Run(run_unevaluated(config)))


def test_interrupted_in_the_prediction_it_trains_nothing_again(in_one, cells, tmp_path, monkeypatch):
    config = config_of(cells, tmp_path, *AFTER)
    with monkeypatch.context() as patch:
        patch.setattr(ImageDataModule, "predict_dataloader", lambda self: signal.raise_signal(signal.SIGTERM))
        with pytest.raises(Preempted), watched():
            run_unevaluated(config)
    monkeypatch.setattr(fit, "_fit_stage", lambda *_: pytest.fail("the network was trained again"))
    monkeypatch.setattr(context_fit, "fit_context", lambda *_: pytest.fail("the context was trained again"))
    assert_same(in_one, Run(run_unevaluated(config)))


def test_interrupted_in_the_network_it_goes_on_to_the_very_same_weights(in_one, cells, tmp_path):
    config = config_of(cells, tmp_path, *AFTER)
    preempted(config, Place("on_train_batch_start", 0, 1, 2))
    assert_same(in_one, Run(run_unevaluated(config)))


def test_a_context_that_diverges_is_an_error(network, cells, tmp_path):
    config = config_of(cells, tmp_path, *AFTER, "context.fit.lr=1e30", f'init_from="{network.folder}"')
    with pytest.raises(UserError, match=r"stage context diverged .*: lower context\.fit\.lr"):
        run_unevaluated(config)


def test_the_context_of_a_network_that_had_none_starts_at_zero(network, cells, tmp_path):
    config = config_of(cells, tmp_path, f'init_from="{network.folder}"')
    model, _ = build_classifier(config, network.data.classes, None)
    assert not model.context.correction.weight.any()
    before = weights(network)
    assert all(torch.equal(model.state_dict()[name], before[name]) for name in before)


def test_a_network_without_orientation_is_refused_unless_the_run_has_none_either(cells, tmp_path):
    upright = Run(run_unevaluated(config_of(cells, tmp_path, experiment="chromosomes_best")))
    init_from = f'init_from="{upright.folder}"'
    with pytest.raises(UserError, match=r"set head\.orientation=false here too"):
        build_classifier(config_of(cells, tmp_path, init_from), upright.data.classes, None)
    fitted = Run(run_unevaluated(config_of(cells, tmp_path, *AFTER, init_from, "head.orientation=false")))
    after = weights(fitted)
    assert all(torch.equal(after[name], values) for name, values in weights(upright).items())


@pytest.mark.parametrize("how", [TOGETHER, AFTER], ids=["together", "after"])
def test_images_without_cells_are_refused(cells, tmp_path, how):
    config = config_of(cells, tmp_path, *how, "data.cell_column=null", "prepare.canvas.scale_by=image")
    with pytest.raises(UserError, match=r"data\.cell_column"):
        ImageDataModule.from_config(config, progress=False).setup()


def test_passes_of_monte_carlo_dropout_are_refused(cells, tmp_path):
    with pytest.raises(UserError, match=r"inference\.mc_passes=3"):
        run_unevaluated(config_of(cells, tmp_path, "inference.mc_passes=3", "head.layers=[gap,{dropout: 0.5}]"))
