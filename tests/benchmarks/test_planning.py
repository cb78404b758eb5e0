"""The plan of a sweep: operations against known values, the schedule against trying everything, and the table."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from typer.testing import CliRunner

from benchmarks import planning
from benchmarks.networks import flops
from benchmarks.networks.flops import Cost, OperatorCount, StageCost, backward_flops, stage_costs
from benchmarks.planning import Experiment, Images, Machine
from common.config.compose import compose_config
from common.errors import UserError

MACHINE = Machine(peak_tflops=100.0, utilisation=0.5, operator_us=10.0, step_ms=1.0, startup_s=36.0)
RESNET = ("+experiment=resnet50_features", "data=synthetic")


def composed(*overrides):
    return compose_config([*overrides, "weights=random"])


def test_a_frozen_resnet50_has_the_operations_that_its_makers_print_and_no_backward_pass():
    (stage,) = stage_costs(composed(*RESNET))  # whole, 224 px, one logit; the head alone trains
    # He et al. (2015), table 1: 3.8 G multiplications and additions at 224 px, of which the shortcuts' projections are
    # left out there; the head of 1000 classes is 0.05 % of them.
    assert stage.forward.flops == pytest.approx(2 * 3.86e9, rel=0.005)
    assert stage.training.flops == pytest.approx(stage.forward.flops, rel=1e-5)
    assert stage.training.operators < stage.forward.operators + 40
    assert (stage.epochs_least, stage.epochs_most) == (9, 30)


def test_all_of_a_network_takes_three_times_its_forward_pass_but_for_the_first_layer():
    (stage,) = stage_costs(composed("data=synthetic", "model=resnet50", "unfreeze=whole"))
    first = 2 * 112 * 112 * 64 * 3 * 7 * 7  # no gradient of the images is needed
    assert stage.training.flops == pytest.approx(3 * stage.forward.flops - first, rel=1e-5)
    assert stage.training.operators > 2 * stage.forward.operators


def test_a_stage_without_early_stopping_trains_all_its_epochs():
    (stage,) = stage_costs(composed(*RESNET, "callbacks.early_stopping.enabled=false", "trainer.max_epochs=12"))
    assert (stage.epochs_least, stage.epochs_most) == (12, 12)


@pytest.mark.parametrize("groups", [1, 2, 8])
def test_the_backward_pass_of_a_grouped_convolution_is_counted_by_its_groups(groups):
    layer = nn.Conv2d(8, 8, 3, padding=1, groups=groups, bias=False, device="meta")
    image = torch.rand(2, 8, 10, 10, device="meta", requires_grad=True)
    counted = {torch.ops.aten.convolution_backward: backward_flops}
    with FlopCounterMode(display=False, custom_mapping=counted) as count:
        layer(image).sum().backward()
    forward = 2 * 2 * 10 * 10 * 8 * (8 // groups) * 9
    assert count.get_total_flops() == 3 * forward


def test_views_start_nothing():
    with OperatorCount() as count:
        (torch.ones(4, device="meta").view(2, 2) + 1).transpose(0, 1)
    assert count.count == 2


@given(st.lists(st.integers(1, 30), min_size=1, max_size=7), st.integers(1, 3))
@example([1, 1, 1, 1, 4], 2)
@example([2, 3], 8)
def test_the_schedule_is_near_the_best_of_all(jobs, gpus):
    ways = itertools.product(range(gpus), repeat=len(jobs))
    best = min(np.bincount(way, jobs).max() for way in ways)
    found = planning.makespan(jobs, gpus)
    assert best <= found <= best * (4 / 3 - 1 / (3 * gpus)) + 1e-9  # Graham's bound of the longest first


@pytest.mark.parametrize(
    ("cost", "seconds", "bound"),
    [(Cost(flops=5e10, operators=1), 1e-3, "operations"), (Cost(1.0, operators=300), (3e-3 + 1e-3) / 4, "operators")],
)
def test_the_slower_bound_counts(cost, seconds, bound):
    assert MACHINE.seconds(cost, batch=4) == (pytest.approx(seconds), bound)


def two_stages(name="a", factor=1):
    """A millisecond for each image forward, three in training of the second stage."""
    forward = Cost(factor * 5e10, 0)
    training = Cost(factor * 15e10, 0)
    stages = (StageCost("head", 2, 10, forward, forward), StageCost("finetune", 3, 20, forward, training))
    return Experiment(name, "224", batch=32, stages=stages)


IMAGES = Images(600, 200, 100)
# Seconds after the start.
LEAST = 2 * 0.8 + 3 * 2.0 + 0.3
MOST = 10 * (0.6 + 0.2) + 20 * (1.8 + 0.2) + 0.3


def test_the_hours_of_a_job():
    row = planning.plan_experiment(two_stages(), IMAGES, MACHINE)
    assert row["hours_most"] == pytest.approx((36 + MOST) / 3600)
    assert row["hours_least"] == pytest.approx((36 + LEAST) / 3600)
    assert (row["images_least"], row["images_most"]) == (600 * 5, 600 * 30)
    assert row["bound_by"] == "operations"
    assert row["gflops_training"] == pytest.approx((10 * 50 + 20 * 150) / 30)


def test_the_table_has_a_row_for_each_experiment_speed_and_number_of_gpus():
    found = planning.plan_sweep([two_stages("a"), two_stages("b", 3)], IMAGES, MACHINE, 3, [1, 2])
    assert found["experiment"].tolist() == ["a", "b", *["all"] * 6]
    assert found["speed"].tolist() == [1, 1, 1, 1, 0.5, 0.5, 2, 2]
    assert found["jobs"].tolist() == [3, 3, *[6] * 6]
    assert (found["peak_tflops"] == 100).all()
    one, other = (36 + MOST) / 3600, (36 + 3 * MOST) / 3600
    assert found["hours_most"][:4].tolist() == pytest.approx([one, other, 3 * (one + other), other + 3 * one])
    assert found["gpu_hours_most"][:4].tolist() == pytest.approx([3 * one, 3 * other, *[3 * (one + other)] * 2])
    assert found["hours_most"][4] == pytest.approx(3 * (72 + 8 * MOST) / 3600)
    assert found["hours_most"][6] == pytest.approx(3 * (72 + 2 * MOST) / 3600)


def test_the_experiments_are_those_of_the_sweep():
    names = planning.experiments_of("cnmc_grid")
    assert len(names) == len(set(names)) == 18
    assert "resnet50_cut_block5" in names
    with pytest.raises(UserError, match="no sweep is called cnmc_gird: there are .*cnmc_grid"):
        planning.experiments_of("cnmc_gird")
    with pytest.raises(UserError, match="names no experiments"):
        planning.experiments_of("folds")


def test_a_sweep_is_planned_by_one_command(monkeypatch, tmp_path):
    monkeypatch.setattr(planning, "experiments_of", lambda name: ["scratch_cnn_d128"])
    path = tmp_path / "plan.csv"
    words = ["sweep", "some", "--images", "100", "--gpus", "4", "--assume", "utilisation=0.3", "--csv", str(path)]
    done = CliRunner().invoke(planning.app, words)
    assert done.exit_code == 0, done.output
    table = pd.read_csv(path)
    assert table["experiment"].tolist() == ["scratch_cnn_d128", "all", "all", "all"]
    assert table["images_most"][0] == 60 * 60
    assert set(table["utilisation"]) == {0.3}
    assert {"gflops_forward", "gpu_hours_most", "bound_by", "revision"} <= {*table}


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (["check", "vgg61"], "vgg61"),
        (["sweep", "cnmc_grid", "--images", "10", "--folds", "20"], "--images 10"),
        (["sweep", "cnmc_grid", "--assume", "speed=2"], "speed=2"),
        (["sweep", "cnmc_grid", "--assume", "step_ms=-1"], "step_ms=-1"),
    ],
)
def test_what_cannot_be_planned_is_refused_in_one_line(words, value):
    result = CliRunner().invoke(planning.app, words)
    assert result.exit_code == 1
    assert value in result.output
    assert result.output.strip().count("\n") == 0


def test_the_arithmetic_is_compared_with_real_steps(monkeypatch):
    small = composed("model=resnet18", "model.cut=layer1", "unfreeze=whole", "prepare.size=32", "loader.batch_size=4")
    monkeypatch.setattr(flops, "compose_config", lambda overrides: small)
    row = flops.check_on_cpu("any", batch=4, steps=1)
    assert row["measured_over_predicted"] == row["measured_s"] / row["predicted_s"] > 0
    assert row["predicted_s"] == pytest.approx(row["gflops_step"] / row["matrix_gflops_s"])
