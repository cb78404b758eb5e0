"""The installation: what the set-up says when it cannot do what it is asked, and the commands that are installed."""

import os
import shutil
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from common.paths import ROOT


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A copy of what the set-up reads, and a `uv` that only notes how it was called and knows no other backend."""
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    program(tmp_path / "bin" / "uv", 'echo "$@" >> called; case "$*" in *--torch-backend*) exit 2;; esac')
    # The imports that end the set-up take long: here they are left out.
    program(tmp_path / ".venv" / "bin" / "python", f'[ "$1" = - ] && exit 0; exec {sys.executable} "$@"')
    return tmp_path


def program(path: Path, commands: str) -> Path:
    """Write a shell program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{commands}\n")
    path.chmod(0o755)
    return path


def setup(checkout: Path, **variables: str) -> subprocess.CompletedProcess:
    path = f"{checkout / 'bin'}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHON": sys.executable, **variables}
    script = ["bash", str(ROOT / "scripts" / "setup.sh")]
    return subprocess.run(script, cwd=checkout, env=environment, capture_output=True, text=True, check=False)


def test_uv_installs_the_pinned_set(checkout):
    done = setup(checkout)
    assert done.returncode == 0, done.stderr
    called = (checkout / "called").read_text()
    assert "--constraint constraints.txt" in called
    assert "--editable ." in called
    assert "--torch-backend" not in called


def test_a_torch_backend_is_passed_on_and_its_failure_is_explained(checkout):
    done = setup(checkout, TORCH_BACKEND="cu126")
    assert "--torch-backend cu126" in (checkout / "called").read_text()
    assert done.returncode == 1
    assert "TORCH_BACKEND=cu126" in done.stderr
    assert "leave it empty" in done.stderr


def test_every_script_is_a_command():
    commands = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    named = {"karyocyte-" + path.stem.replace("_", "-") for path in (ROOT / "scripts").glob("[!_]*.py")}
    assert set(commands) == {"karyocyte-train", *named}
    for place in commands.values():
        module, _, name = place.partition(":")
        assert callable(getattr(import_module(module), name))


def in_folder(folder: Path, *command: object) -> subprocess.CompletedProcess:
    return subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True, check=False)


def test_installed_commands_run_in_any_folder(tmp_path):
    programs = Path(sys.executable).parent
    if not (programs / "karyocyte-train").exists():
        pytest.skip("Karyocyte is not installed in this environment: run make setup")
    report = in_folder(tmp_path, programs / "karyocyte-report", "nothing")
    assert (report.returncode, "nothing" in report.stderr, "Traceback" in report.stderr) == (1, True, False)
    (tmp_path / "empty").mkdir()
    words = (
        "-m", "+cluster=local", "data=folder", "data_dir=empty", "data.positive_class=a", "weights=random",
        "cache_dir=cache",
    )  # fmt: skip
    job = in_folder(tmp_path, programs / "karyocyte-train", *words)  # is started by the command's own file
    assert "data folder empty is empty" in job.stdout, job.stdout + job.stderr
    assert len(list(tmp_path.glob("outputs/sweeps/*/logs/*.log"))) == 1


def test_a_wheel_is_refused(tmp_path):
    done = in_folder(ROOT, sys.executable, "setup.py", "bdist_wheel", "--dist-dir", tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "error: Karyocyte reads conf/ and results/ from its checkout: install it by pip install -e ."
    ]
    assert not list(tmp_path.iterdir())
