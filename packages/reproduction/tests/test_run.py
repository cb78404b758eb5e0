"""How the commands of a reproduction are run and resumed."""

from dataclasses import replace
from unittest.mock import Mock

import pytest

from karyocyte.common.cli import INTERRUPTED
from karyocyte.common.errors import UserError
from karyocyte.runs.files import RunFile
from karyocyte.runs.run import Run
from karyocyte.runs.sweeps import Sweep, job_of, sweep_folder, write_record, write_sweep
from lightning_modules.backbones.weights import Weights
from reproduction import outlook
from reproduction import run as runner
from reproduction.outlook import show_outlook
from reproduction.plan import Split, Step, check_plan, make_plan, training_step
from tests.datamodules.sources.test_sources import write_small_cnmc

SPLIT = Split("paper", ("protocol=paper",))
FAILS = "sys.exit(1)"


@pytest.fixture
def script(tmp_path):
    """Return a function that writes a script which notes each call, and runs ``body``."""

    def write(name: str, body: str = "") -> str:
        path = tmp_path / f"{name}.py"
        path.write_text(f"import pathlib, sys\nopen({str(tmp_path / 'calls')!r}, 'a').write('{name} ')\n{body}\n")
        return str(path)

    return write


@pytest.fixture
def finished_run(tmp_path):
    """Return the folder of a run with the least that a finished one has."""
    folder = tmp_path / "outputs" / "hem_all_cnn_32" / "paper-fold0-0a1b2c3d" / "seed=0"
    folder.mkdir(parents=True)
    (folder / "predictions.parquet").write_bytes(b"1")
    Run(folder).write_status("finished", wall_seconds=1.0)
    return folder


@pytest.fixture
def plan(tmp_path):
    return make_plan("003", (f"output_dir={tmp_path / 'outputs'}",), tmp_path / "out")


@pytest.mark.parametrize("is_folder", [False, True])
def test_a_step_is_run_in_place_of_what_it_made_before(script, tmp_path, is_folder):
    made = tmp_path / "made"
    step = Step("costs", (script("costs", "sys.exit(pathlib.Path(sys.argv[1]).exists())"), str(made)), made)
    if is_folder:
        made.mkdir()
    else:
        made.touch()
    assert runner._make(step)
    assert (tmp_path / "calls").read_text() == "costs "


def test_an_interrupted_step_ends_all_with_the_usual_code(script):
    with pytest.raises(SystemExit) as stopped:
        runner.run_step(Step("costs", (script("costs", f"sys.exit({INTERRUPTED})"),)))
    assert stopped.value.code == INTERRUPTED


def test_the_finished_runs_are_those_of_the_sweep_with_the_same_command(tmp_path, plan, finished_run):
    training = training_step(plan, SPLIT)
    jobs = tuple(job_of([f"+experiment={name}", "protocol=paper", "seed=0"]) for name in plan.experiments)
    outputs = tmp_path / "outputs"
    for number, command in enumerate([("train.py", "-m", "+experiment=other"), training.words]):
        folder = sweep_folder(outputs, f"sweep{number}", jobs)
        write_sweep(folder, Sweep(jobs, "none", command))
        if number:
            write_record(folder, jobs[0], status="finished", kind="run", run=str(finished_run))
            write_record(folder, jobs[1], status="failed", error="no memory")
    assert runner.finished_runs(outputs, training) == {"hem_all_cnn_32": [str(finished_run)]}
    other = replace(training, words=("train.py", "-m", "+experiment=another"))
    assert runner.finished_runs(outputs, other) == {}


def test_the_outlook_fits_a_screen_and_counts_what_is_there(tmp_path, capsys, monkeypatch):
    words = (f"data_dir={write_small_cnmc(tmp_path / 'data')}", f"output_dir={tmp_path}", "trainer.accelerator=cpu")
    plan = make_plan("003", words, tmp_path / "out", ("hem_all_cnn_32",), (0, 1, 2))
    configs = check_plan(plan)
    show_outlook(plan, configs)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "paper 003: 3 trainings of 1 experiment"
    images = "  images of hem_all: partial: 12 of 10,661 training images"
    assert {"  networks: hem_all_cnn 3", "  missing weights: none", images} < set(lines)
    assert len(lines) < 24
    assert max(map(len, lines)) <= 80
    assert "  disk: at most 0.5 GB needed, " in "\n".join(lines)
    assert not plan.output.exists()
    needed = (Weights("net.in1k"), Weights("own", path=tmp_path))
    monkeypatch.setattr(outlook, "needed_weights", lambda jobs: dict.fromkeys(needed, jobs))
    show_outlook(plan, configs)
    assert "  missing weights: net.in1k for hem_all_cnn_32" in capsys.readouterr().out.splitlines()


def test_ctrl_c_waits_for_the_command_that_has_it_too(monkeypatch):
    process = Mock(wait=Mock(side_effect=[KeyboardInterrupt, -2]))
    monkeypatch.setattr(runner.subprocess, "Popen", lambda command: process)
    assert runner._wait_for(["python"]) == INTERRUPTED
    assert process.wait.call_count == 2


@pytest.mark.parametrize("is_finished", [True, False])
def test_a_split_that_cannot_begin_does_not_stop_the_other(monkeypatch, script, finished_run, tmp_path, is_finished):
    plan = make_plan("003", (f"output_dir={tmp_path / 'outputs'}",), tmp_path / "out", honest=True)
    finished = {"paper": {"hem_all_cnn_32": [str(finished_run)]} if is_finished else {}, "honest": {}}
    compared = []
    monkeypatch.setattr(runner, "preparation_steps", lambda plan: [])
    monkeypatch.setattr(runner, "training_step", lambda plan, split: Step(split.name, (script(split.name, FAILS),)))
    monkeypatch.setattr(runner, "finished_runs", lambda _, step: finished[step.name])
    fails = Step("costs", (script("costs", FAILS),), tmp_path / "costs.csv")
    monkeypatch.setattr(runner, "analysis_steps", lambda plan, split, runs: [fails])
    monkeypatch.setattr(runner, "_compare", lambda plan, runs, made: compared.append(runs) or [])
    message = "failed: paper, honest, costs, costs;" if is_finished else "no run has finished"
    with pytest.raises(UserError, match=message):
        runner.run_plan(plan)
    assert compared == [finished] * is_finished


def test_an_ensemble_that_could_not_be_made_is_not_compared(monkeypatch, capsys, script, plan, finished_run):
    for name, state in (("ensemble_average", "finished"), ("ensemble_genetic", "failed")):
        ensemble = Run(plan.output / "paper" / name)
        ensemble.write_status(state)
        ensemble.write_json(RunFile.ENSEMBLE, {})
    compared = []

    def step(plan, runs, ensembles):
        compared.extend(ensembles)
        return Step("comparison", (script("compare"),), plan.output / "reproduction.csv")

    monkeypatch.setattr(runner, "comparison_step", step)
    assert runner._compare(plan, {"paper": {"hem_all_cnn_32": [str(finished_run)]}}, [plan.output]) == []
    assert compared == [plan.output / "paper" / "ensemble_average"]
    assert "warning: paper split: unfinished runs of hem_all_cnn_64 (1 of 1)" in capsys.readouterr().out
