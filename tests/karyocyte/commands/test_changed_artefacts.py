"""No command uses a file of a run or a portable model that was changed after it was written, without a word."""

import os
import shutil
import sys
from itertools import cycle
from pathlib import Path

import pytest

from karyocyte.commands.evaluate import app as evaluate
from karyocyte.commands.explain import app as explain
from karyocyte.commands.export import app as export
from karyocyte.commands.predict import app as predict
from karyocyte.commands.report import app as report
from karyocyte.common.checksums import FILE
from karyocyte.common.errors import UserError
from karyocyte.common.files import read_json
from karyocyte.runs.files import NOT_RECORDED, RunFile
from karyocyte.runs.run import Run
from tests.faults.artefacts import DAMAGES
from tests.helpers.terminal import run_app


def _predicted(artefact, image, output, code):
    return run_app(predict, artefact, image, "--output", output / "p.csv", code=code), output / "p.csv"


def _evaluated(artefact, _, output, code):
    return run_app(evaluate, artefact, "resamples=10", "--output", output, code=code), output / "metrics.json"


def test_every_file_of_a_run_that_commands_read_is_listed(cell_runs, cell_images, tmp_path):
    run = shutil.copytree(cell_runs[0], tmp_path / "run")
    shutil.copy(next(cell_images.rglob("*.png")), run / "roc.png")  # of another run
    names = set()

    def note(event, arguments):
        """Note what is opened for reading below the run; pyarrow and safetensors open their files unseen."""
        if event == "open" and str(arguments[0]).startswith(f"{run}/") and not arguments[2] & (os.O_WRONLY | os.O_RDWR):
            names.add(os.path.relpath(arguments[0], run))

    sys.addaudithook(note)  # for the rest of this process: nothing else reads this folder
    run_app(explain, "heatmaps", run, "samples=2")
    run_app(evaluate, run, "resamples=10")
    run_app(report, run)
    run_app(predict, run, next(cell_images.rglob("*.png")), "--output", tmp_path / "p.csv")
    assert {"heatmaps/gradcam-layer1.csv", RunFile.IDENTITY} <= names
    written_beside = {name for name in names if Path(name).name.startswith(".")}  # and then renamed
    assert names - written_beside - {*read_json(run / FILE), *NOT_RECORDED, FILE} == set()


@pytest.mark.parametrize("lost", [(), (FILE,)])
def test_files_and_list_of_another_seed_are_not_those_of_a_run(cell_runs, tmp_path, lost):
    one, other = map(Path, cell_runs)
    run = shutil.copytree(one, tmp_path / "run")
    for name in ("predictions.parquet", FILE):
        shutil.copy(other / name, run / name)
    for name in lost:
        (run / name).unlink()
    with pytest.raises(UserError, match=r"identity.json was changed|has no checksums.json"):
        _ = Run(run).predictions


@pytest.mark.parametrize(("kind", "needed"), [("run", "predictions.parquet"), ("export", "model.json")])
def test_what_was_changed_is_refused_or_not_used(kind, needed, cell_runs, cell_images, tmp_path):
    image = next(cell_images.rglob("*.png"))
    one, other = map(Path, cell_runs)
    commands = {"predict": _predicted, "evaluate": _evaluated}
    if kind != "run":
        commands = {"predict": _predicted}
        for run in cell_runs:
            run_app(export, run, "--output", tmp_path / Path(run).name)
        one, other = (tmp_path / Path(run).name for run in cell_runs)
    expected = {name: command(one, image, tmp_path / name, 0)[1].read_text() for name, command in commands.items()}
    damages = cycle(DAMAGES)
    refused = set()
    for file in [*read_json(one / FILE), FILE]:
        for name, command in commands.items():
            damage = next(damages)
            place = tmp_path / "changed" / f"{Path(file).name}-{name}"
            artefact = shutil.copytree(one, place / one.name)
            DAMAGES[damage](artefact / file, other / file)
            result, written = command(artefact, image, place / "out", None)
            if result.exit_code:
                assert Path(file).name in result.stderr or FILE in result.stderr, (file, damage, result.output)
                refused.add(file)
            else:
                assert written.read_text() == expected[name], (file, damage, name)
    assert needed in refused
