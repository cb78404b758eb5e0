"""What is shared names nothing of the machine: neither where the folders lie, nor what it is called."""

import socket
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from karyocyte.runs import sweeps
from tests.faults.commands import COMMANDS, Inputs
from tests.faults.test_faults import quick_figures  # noqa: F401 - a fixture

INTERNAL = ("config.yaml",)  # holds the paths of the configuration, such as that of the cache: of use to this user


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Inputs that are named relative to the present folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("machine"))
        yield Inputs(Path("inputs"))


def assert_private(folder, *secrets):
    found = {}
    for path in folder.rglob("*"):
        if path.is_file() and path.name not in INTERNAL:
            text = path.read_bytes()
            if path.suffix == ".parquet":  # it may be compressed
                text += repr(pq.read_schema(path).metadata).encode() + pd.read_parquet(path).to_csv().encode()
            for secret in secrets:
                if secret.encode() in text:
                    found[path] = secret
    assert not found


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "prepared images"])
def test_an_output_does_not_name_the_folder_that_all_lies_in(name, inputs):
    folder = Path("output", name.replace(" ", "_"))
    folder.mkdir(parents=True)
    COMMANDS[name](inputs, folder)
    assert any(folder.rglob("*"))
    assert_private(folder, str(Path.cwd()))


def test_a_record_of_a_job_names_its_run_from_the_sweep_and_forgets_where_it_ran(inputs, monkeypatch):
    monkeypatch.setenv(sweeps.SWEEP_VARIABLE, "outputs/sweeps/a")
    with sweeps.job_record(["seed=0"], "run", first=True):
        sweeps.note_run(Path("outputs/net/seed=0"))
    sweep = Path("outputs/sweeps/a")
    (record,) = (sweep / "jobs").iterdir()
    assert sweeps.run_of(sweep, sweeps.read_record(sweep, record.stem)).folder == Path("outputs/net/seed=0")
    assert_private(Path("outputs"), str(Path.cwd()), socket.gethostname())
