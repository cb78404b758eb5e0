"""The benchmark of ensembles compares like with like: DEAP's algorithm is the same as ours."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from benchmarks import ensemble
from benchmarks.__main__ import app
from benchmarks.ensemble import build_toolbox, deap_genetic, numpy_evaluation, sklearn_evaluation
from common.predictions import write_predictions
from tests.helpers.predictions import make_run
from tests.workflows.ensembles.problems import make_problem
from workflows.ensembles.config import GeneticConfig
from workflows.ensembles.genetic import evolve

TINY = replace(ensemble.drawn_case(60, 2, (1.0, 1.5, 2.0)), name="tiny")
QUICK = GeneticConfig(population=10, generations=3, restarts=2)


def recording_of(problem):
    return ensemble.RecordingProblem(problem.probabilities, problem.labels, problem.positive_index, problem.classes)


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("evaluation", [numpy_evaluation, sklearn_evaluation])
def test_the_baselines_have_the_same_fitness(classes, evaluation):
    problem = make_problem(classes=classes)
    evaluate = evaluation(problem)
    for weights in np.random.default_rng(0).dirichlet(np.ones(4), size=10):
        assert evaluate(weights.tolist()) == pytest.approx((problem.fitness(weights[None])[0],))


def test_the_baselines_make_as_many_evaluations():
    problem = make_problem(3, images=50)
    seen = []
    evaluate = numpy_evaluation(problem)
    deap_genetic(3, lambda weights: seen.append(list(weights)) or evaluate(weights), QUICK, seed=0)
    recording = recording_of(problem)
    evolve(recording, QUICK, np.random.default_rng(0))
    assert len(seen) == sum(map(len, recording.history)) == 2 * (10 + 3 * 9)
    assert np.array(seen).min() >= 0
    assert np.array(seen).sum(axis=1) == pytest.approx(1)


def test_the_operators_of_the_baseline_are_the_papers():
    toolbox = build_toolbox(4, lambda weights: (0.0,), GeneticConfig(tournament=2))
    population = toolbox.population(n=2)
    population[0][:] = [0.5, 0.5, 0.0, 0.0]
    population[1][:] = [0.1, 0.3, 0.2, 0.4]
    assert toolbox.mate(*population) == pytest.approx([0.3, 0.4, 0.1, 0.2])
    random.seed(0)
    place = random.randrange(4)
    value = random.random()
    random.seed(0)
    mutant = toolbox.mutate(toolbox.clone(population[1]))
    expected = np.array(population[1])
    expected[place] = value
    assert mutant == pytest.approx(expected / expected.sum())


def test_both_are_timed_in_turn_and_their_fitness_compared():
    rows = ensemble.measure_time(TINY, QUICK, 4, 2, seeds=3).set_index("way")
    assert rows["rounds"].tolist() == [4, 2, 2]
    assert (rows["evaluations"] == 74).all()
    for kind in ("", "cpu_"):
        ratio = rows[f"{kind}seconds"] / rows.loc["ours", f"{kind}seconds"]
        assert rows[f"{kind}ratio"].tolist() == ratio.tolist()
    assert rows.loc["ours", "p"] == rows.loc[ensemble.DEAP, "p"] > 0
    assert rows.loc["ours", "f1_min"] <= rows.loc["ours", "f1_mean"] <= rows.loc["ours", "f1_max"] <= 1


def test_the_fitness_of_ours_and_of_the_baseline_is_alike():
    problem = make_problem(6, images=150)
    found = ensemble.compare_genetic(problem, GeneticConfig(population=20, generations=10), 25)
    assert found["p"].nunique() == 1
    assert found["p"].iloc[0] > 0.01
    assert found.loc["ours", "f1_mean"] == pytest.approx(found.loc[ensemble.DEAP, "f1_mean"], abs=0.004)


def test_searches_are_compared_after_equal_evaluations():
    rows = ensemble.measure_fitness(TINY, seeds=3, evaluations=300)
    assert sorted(rows["evaluations"].unique()) == [6, 30, 150, 300]
    assert len(rows) == 4 * len(ensemble.SEARCHES)
    course = rows.pivot(index="evaluations", columns="way", values="f1_mean")
    assert (course.diff().dropna() >= 0).all(axis=None)
    last = rows[rows["evaluations"] == 300]
    assert last["gap"].min() >= 0
    assert last["reached"].max() > 0
    assert (last.loc[last["gap"] == 0, "reached"] == 1).all()


@pytest.mark.parametrize("name", ensemble.SEARCHES)
def test_a_search_keeps_to_its_evaluations(name):
    problem = TINY.draw(0)
    recording = recording_of(problem)
    ensemble.SEARCHES[name](recording, 1000, 0)
    # No more than a generation is left over, and what lies beyond the budget is not looked at.
    assert 900 < sum(map(len, recording.history)) < 1100
    assert recording.best_after(1) == recording.history[0][0]


def test_the_command_takes_runs_and_writes_a_table(tmp_path, monkeypatch):
    runs = [str(tmp_path / f"run{seed}") for seed in range(3)]
    for seed, folder in enumerate(runs):
        write_predictions(Path(folder) / "predictions.parquet", make_run(skill=1.0 + seed))
    assert ensemble.read_case([tmp_path / "run0", tmp_path / "run1"]).name == "named: 2 classes, 2 models, 60 images"
    monkeypatch.setattr(ensemble, "CASES", (TINY,))
    monkeypatch.setattr(ensemble, "sklearn_evaluation", numpy_evaluation)
    options = ["--restarts=1", "--rounds=1", "--deap-rounds=1", "--seeds=2", "--evaluations=200"]
    done = CliRunner(env={"COLUMNS": "160"}).invoke(
        app, ["ensemble", *runs, *options, f"--csv={tmp_path / 'table.csv'}"]
    )
    assert done.exit_code == 0, done.output
    table = pd.read_csv(tmp_path / "table.csv")
    printed = table.set_index(["case", "way", "evaluations"]).loc[("tiny", "genetic, DEAP", 200)]
    (line, _) = [line for line in done.output.splitlines() if "genetic, DEAP" in line and " 200 " in line]
    assert line.split()[-3] == f"{printed['f1_mean']:.3f}"
    assert "DEAP, scikit-learn's F1" in done.output
    assert table["case"].unique().tolist() == ["tiny", "named: 2 classes, 3 models, 60 images"]
    assert set(table["measured"]) == {"time", "fitness"}
    assert CliRunner().invoke(app, ["ensemble", "--rounds=1", "--deap-rounds=2"]).exit_code == 1
