"""The tables and figures that papers 002 and 004 print beside metrics."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from karyocyte.common.errors import UserError
from karyocyte.runs.run import Run
from packages.reproduction.tests.test_parameters import PRINTED
from reproduction.figures import smoothness as smoothness_module
from reproduction.figures.checkpoints import checkpoints_of, count_checkpoints, draw_checkpoints
from reproduction.figures.layers import layers_of
from reproduction.figures.missed import FOUR, missed_by, rows_of_missed
from reproduction.figures.smoothness import smoothness, smoothness_of
from tests.helpers.predictions import make_run


@pytest.mark.parametrize("experiment", PRINTED)
def test_layers_have_the_printed_number_of_parameters(experiment, undrawn_layers):
    table = layers_of(experiment)
    assert table["parameters"].sum() == PRINTED[experiment][0]
    assert not table["kind"].isin(["Removed", "Identity"]).any()


@pytest.mark.parametrize(
    ("experiment", "last", "parameters"),
    [("scratch_cnn_d128", "5 x 5 x 256", 1_207_873), ("mobilenetv2_features", "7 x 7 x 1280", 2_259_265)],
)
def test_layers_have_the_shapes_of_keras(experiment, last, parameters, undrawn_layers):
    table = layers_of(experiment)
    assert table["parameters"].sum() == parameters
    of_maps = table[table["layer"].str.startswith("backbone") & table["output"].str.contains("x")]
    assert of_maps["output"].iloc[-1] == last


def right(*rows):
    """Return runs on the same images that are right where a row is."""
    runs = []
    for row in rows:
        run = make_run(0, about={"protocol": "paper", "seed": 0})
        run.frame["prob_all"] = np.where((run.frame["label"] == "all") == np.resize(row, len(run.frame)), 0.9, 0.1)
        run.frame["prob_hem"] = 1 - run.frame["prob_all"]
        runs.append(run)
    return runs


def test_images_missed_by_k_networks_are_counted_and_who_alone_is_right():
    runs = right([True], [True, False], [True, False])
    table = missed_by(runs, ["one", "two", "three"]).query("true_class == '(every class)'").set_index("k")
    images = len(runs[0].part("test").frame)
    odd = int(runs[0].frame.index[runs[0].frame["part"] == "test"].to_series().mod(2).sum())
    assert table["images"].to_dict() == {0: images - odd, 1: 0, 2: odd, 3: 0}
    assert table.loc[2, ["only one", "only two", "only three"]].tolist() == [odd, 0, 0]
    assert table["independent"].sum() == pytest.approx(images)


def test_of_several_trainings_the_one_that_is_best_on_validation_counts():
    runs = right([True], [True], [True], [True], [True, False])
    for run, name in zip(runs, (*FOUR, FOUR[0]), strict=True):
        run.about["name"] = name
    for order in (runs, runs[::-1]):
        table = rows_of_missed(order).query("true_class == '(every class)'").set_index("k")
        assert table.loc[1:, "images"].eq(0).all()
    assert rows_of_missed(runs[:3]).empty


def test_checkpoints_are_counted_up_to_a_training_accuracy_of_nine_tenths(tmp_path):
    run = Run(tmp_path)
    assert count_checkpoints(run) == {}
    with pytest.raises(UserError, match="check_and_adjust"):
        checkpoints_of(run)
    folder = tmp_path / "logs" / "1-all"
    folder.mkdir(parents=True)
    table = pd.DataFrame({"step": [1, 201, 401, 601], "accuracy": [0.1, 0.9, 0.95, 0.8], "val/acc": 0.5})
    table.to_csv(folder / "check_and_adjust.csv", index=False)
    assert count_checkpoints(run) == {"checkpoints": 2}
    draw_checkpoints(tmp_path / "figure.png", checkpoints_of(run).assign(name="net", seed=0))
    assert (tmp_path / "figure.png").stat().st_size > 1000


def test_maps_of_two_networks_are_compared_on_the_coarser_grid(monkeypatch):
    fine = np.random.default_rng(0).normal(size=(6, 8, 8)).astype(np.float32)
    coarse = fine.reshape(6, 4, 2, 4, 2).mean(axis=(2, 4))
    of_runs = iter([{"conv1": fine}, {"features.0": coarse, "features.4": coarse}])
    monkeypatch.setattr(smoothness_module, "_maps_of", lambda run: next(of_runs))
    runs = [SimpleNamespace(predictions=make_run(about={"source": "mnist"})) for _ in range(2)]
    table = smoothness_of(runs)
    assert table[["position", "size", "grid"]].to_numpy().tolist() == [[1, 8, 4], [1, 4, 4], [2, 4, 4]]
    assert table["smoothness"].to_numpy() == pytest.approx(smoothness(coarse).mean())


def test_noise_of_a_finer_map_is_not_smoother(monkeypatch):
    noise = np.random.default_rng(0).normal(size=(400, 8, 8)).astype(np.float32)
    of_runs = iter([{"conv1": noise}, {"features.0": noise[:, :7, :7]}])
    monkeypatch.setattr(smoothness_module, "_maps_of", lambda run: next(of_runs))
    runs = [SimpleNamespace(predictions=make_run(about={"source": "mnist"})) for _ in range(2)]
    assert smoothness_of(runs)["smoothness"].to_numpy() == pytest.approx(0, abs=0.05)


def test_smoothness_is_1_of_a_slope_0_of_noise_and_undefined_of_a_constant():
    rows, columns = np.indices((64, 64))
    noise = np.random.default_rng(0).normal(size=(64, 64))
    maps = np.stack([rows + columns, noise, 5 * noise - 3, (rows + columns) % 2, np.full((64, 64), 7.0)])
    slope, of_noise, of_scaled, checkerboard, constant = smoothness(maps)
    assert slope > 0.95
    assert of_noise == pytest.approx(0, abs=0.03)
    assert of_scaled == pytest.approx(of_noise)
    assert checkerboard == pytest.approx(-0.77, abs=0.01)
    assert np.isnan(constant)
