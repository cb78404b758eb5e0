"""After a fault the same command works once there is room again or the file is back; nothing acknowledged is lost."""

import errno
import fcntl
import json
import os
import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from cytogenetics.review.decisions import DecisionLog, read_decisions, replay
from datamodules.io.whole_folder import new_whole_folder
from karyocyte.common.errors import UserError
from karyocyte.common.files import write_json
from karyocyte.common.locks import one_at_a_time
from karyocyte.common.paths import ROOT
from karyocyte.config.overrides import PATH_KEYS, expand_home
from karyocyte.evaluation.pooling.predicted_table import PredictedFacts, read_predicted, write_predicted
from karyocyte.runs.lifecycle import check_run, locked
from karyocyte.runs.predictions import Predictions, read_predictions, write_predictions
from karyocyte.runs.run import Run
from packages.cytogenetics.tests.review.bundles import decision
from tests.faults.commands import COMMANDS, Inputs, contents, sizes
from tests.faults.injected import Killed, full_disk, steps
from tests.helpers.predictions import make_run

# What appears as one folder: whole or not at all.
WHOLE = ("evaluate.py", "evaluate.py, two experiments", "ensemble.py", "karyotype.py",
         "synthetic images", "prepare_data.py --export", "unpacked zip")  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def quick_figures():
    """Write figures of some bytes: their own tests look at them, and drawing takes most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", lambda self, path, **_: Path(path).write_bytes(bytes(2000)))
        yield


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    return Inputs(tmp_path_factory.mktemp("inputs"))


@pytest.fixture(scope="module")
def undisturbed(inputs, tmp_path_factory):
    """What each command writes, the sizes of its files, and its steps towards the disk."""
    known = {}

    def of(name):
        if name not in known:
            folder = tmp_path_factory.mktemp("undisturbed")
            with steps() as taken:
                COMMANDS[name](inputs, folder)
            known[name] = contents(folder), sizes(folder), len(taken)
        return known[name]

    return of


def assert_goes_on(name, inputs, folder, expected):
    """Assert that what is there is whole, and that the same command writes what an undisturbed one does."""
    if name in WHOLE and (folder / "out").exists():
        out = {place: content for place, content in expected.items() if place.startswith("out/")}
        assert {place: content for place, content in contents(folder).items() if place.startswith("out/")} == out
        shutil.rmtree(folder / "out")  # it was acknowledged: a second one needs another name
    COMMANDS[name](inputs, folder)
    assert contents(folder) == expected


@pytest.mark.parametrize("name", COMMANDS)
def test_full_disk(name, inputs, undisturbed, tmp_path_factory):
    expected, written, _ = undisturbed(name)
    limits = (written.max() * np.array([0.999, 0.9, 0.5, 0.2, 0.01, 0.0])).astype(int)
    # Of limits that leave out the same files one is tried: the smallest.
    for limit in {(written > limit).sum(): int(limit) for limit in limits}.values():
        folder = tmp_path_factory.mktemp("full")
        with full_disk(limit), pytest.raises((OSError, UserError, AssertionError)):
            COMMANDS[name](inputs, folder)
        assert_goes_on(name, inputs, folder, expected)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.75, 0.999])
@pytest.mark.parametrize("name", COMMANDS)
def test_killed_process(name, share, inputs, undisturbed, tmp_path):
    expected, _, count = undisturbed(name)
    with pytest.raises(Killed), steps(stop=int(share * count)):
        COMMANDS[name](inputs, tmp_path)
    assert_goes_on(name, inputs, tmp_path, expected)


CHANGES = {  # of the content, and the number of decisions that it loses
    "saved by an editor": (lambda content: content, 0),
    "a line removed": (lambda content: b"".join(content.splitlines(keepends=True)[:-1]), 1),
    "cut within a line": (lambda content: content[:-10], 1),
    "without its last end of line": (lambda content: content[:-1], 0),
}


@pytest.mark.parametrize("before", range(5))
@pytest.mark.parametrize("name", CHANGES)
def test_decisions_changed_while_served(name, before, tmp_path):
    change, lost = CHANGES[name]
    path = tmp_path / "decisions.jsonl"
    made = [decision("turn", image=f"{number}.png") for number in range(6)]
    log = DecisionLog(path)
    for one in made[:before]:
        log.append(one)
    place = tmp_path / "copy" if name == "saved by an editor" else path
    place.write_bytes(change(path.read_bytes()))
    place.replace(path)
    for one in made[before:]:
        log.append(one)
    log.close()
    kept, _ = read_decisions(path)
    assert kept == [*made[: max(before - lost, 0)], *made[before:]]
    assert log.states == replay(kept)


LOG = "epoch,step,train/loss,val/loss\n0,5,1.25,0.75\n1,11,1.125,0.625\n2,17,1.0,0.5\n"


@pytest.mark.parametrize("size", [0, 1, 10, 30, 31, 38, 44, 45, 46, 60, 70, len(LOG)])
def test_log_cut_by_a_full_disk(size, tmp_path):
    folder = tmp_path / "logs" / "1-head" / "version_0"
    folder.mkdir(parents=True)
    (folder / "metrics.csv").write_text(LOG[:size])
    history = Run(tmp_path).history
    losses = history["val/loss"].tolist() if len(history) else []
    assert losses == [0.75, 0.625, 0.5][: max(0, LOG[:size].count("\n") - 1)]


def test_one_place_writes_pictures_and_makes_locks():
    users = {"cv2.imwrite(": set(), "imencode(": set(), "FileLock(": set()}
    for package in ("datamodules", "karyocyte", "lightning_modules", "scripts"):
        for path in (ROOT / package).rglob("*.py"):
            for words, places in users.items():
                if words in path.read_text(encoding="utf-8"):
                    places.add(path.name)
    assert list(users.values()) == [set(), {"decode.py"}, {"locks.py"}]


LOCKED = {
    "run": locked,
    "cache": lambda folder: one_at_a_time(folder / "lock", "works"),
    "output": lambda folder: new_whole_folder(folder / "out"),
    "decisions": lambda folder: closing(DecisionLog(folder / "decisions.jsonl")),
}


@pytest.mark.parametrize("fault", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EIO])
@pytest.mark.parametrize("what", LOCKED)
def test_file_system_without_locks(what, fault, tmp_path, monkeypatch):
    refusal = pytest.raises(UserError, match="is on a file system without locks .*: choose a folder on a local disk")
    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", Mock(side_effect=OSError(fault, os.strerror(fault))))
        with refusal, LOCKED[what](tmp_path):
            pass
    with LOCKED[what](tmp_path):
        pass


IDENTITY = json.dumps({"config": {"seed": 0}, "contents": {"data": "0" * 64}}, indent=2)


@pytest.mark.parametrize("size", [0, 1, 10, 50, len(IDENTITY) - 1])
def test_identity_cut_by_a_power_failure(size, tmp_path, inputs):
    (tmp_path / "identity.json").write_text(IDENTITY[:size])
    (tmp_path / "config.yaml").write_text("")
    check_run(tmp_path, json.loads(IDENTITY))
    write_json(tmp_path / "identity.json", {"config": {"seed": 1}})
    with pytest.raises(UserError, match="holds another configuration"):
        check_run(tmp_path, json.loads(IDENTITY))


def changed(frame: pd.DataFrame, values: tuple[float, float]) -> pd.DataFrame:
    frame.loc[frame.index[3], ["prob_hem", "prob_all"]] = values
    return frame


WRONG = [(-3.0, 4.0), (-0.1, 1.1), (1.5, -0.5), (np.nan, 0.5), (np.inf, 0.0), (-np.inf, 0.5), (0.0, 0.0), (1.0, 1.0)]


@pytest.mark.parametrize("values", WRONG)
@pytest.mark.parametrize("table", ["predictions of a run", "table of predict.py"])
def test_values_that_are_no_probabilities(table, values, tmp_path):
    run = make_run(images=12)
    if table == "predictions of a run":
        write_predictions(tmp_path / "p.parquet", replace(run, frame=changed(run.frame, values)))
        read = read_predictions
    else:
        rows = changed(run.frame.assign(status="predicted"), values)
        write_predicted(tmp_path / "p.parquet", rows, PredictedFacts("a", ("run",), ("hem", "all"), "all", (), ()))
        read = read_predicted
    with pytest.raises(UserError, match=r"p\.parquet: probabilities are from 0 to 1, and those of an image sum to 1"):
        read(tmp_path / "p.parquet")


@pytest.mark.parametrize(
    ("doubled", "classes", "message"),
    [(0, ("hem", "hem"), "the class hem is there twice"), (1, ("hem", "all"), "the image image_.* is there twice")],
)
def test_doubled_rows_and_classes(doubled, classes, message, tmp_path):
    run = make_run(images=12)
    frame = pd.concat([run.frame, run.frame.iloc[:doubled]])
    write_predictions(tmp_path / "p.parquet", Predictions(frame, classes, None, run.about))
    with pytest.raises(UserError, match=message):
        read_predictions(tmp_path / "p.parquet")


@pytest.mark.parametrize("word", [*(f"{key}=" for key in PATH_KEYS), "+init_from=", "--output=", "cutter=a,", ""])
def test_home_in_a_path(word, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expand_home(f"{word}~/folder") == f"{word}{tmp_path}/folder"
    for other in (f"{word}a~/b", f"{word}./~", "~trainer.max_epochs", f"{word}~folder"):
        assert expand_home(other) == other
