"""No command uses a file of a run or a portable model that was changed after it was written, without a word."""

import shutil
from itertools import cycle
from pathlib import Path

import pytest

from karyocyte.commands.evaluate import app as evaluate
from karyocyte.commands.export import app as export
from karyocyte.commands.predict import app as predict
from karyocyte.common.checksums import FILE
from karyocyte.common.files import read_json
from tests.faults.artefacts import DAMAGES
from tests.helpers.terminal import run_app


def _predicted(artefact, image, output, code):
    return run_app(predict, artefact, image, "--output", output / "p.csv", code=code), output / "p.csv"


def _evaluated(artefact, _, output, code):
    return run_app(evaluate, artefact, "resamples=10", "--output", output, code=code), output / "metrics.json"


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
