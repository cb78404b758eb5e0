"""make: what it lists, and what the set-up says when it cannot do what it is asked."""

import os
import shutil
import subprocess
import sys
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
    assert "--torch-backend" not in called


def test_a_torch_backend_is_passed_on_and_its_failure_is_explained(checkout):
    done = setup(checkout, TORCH_BACKEND="cu126")
    assert "--torch-backend cu126" in (checkout / "called").read_text()
    assert done.returncode == 1
    assert "TORCH_BACKEND=cu126" in done.stderr
    assert "leave it empty" in done.stderr


def test_an_old_python_is_refused(checkout):
    old = program(checkout / "bin" / "python-old", 'case "$1" in --version) echo Python 3.9.2;; *) exit 1;; esac')
    done = setup(checkout, PYTHON=str(old))
    assert done.returncode == 1
    assert "Python 3.9.2 is too old" in done.stderr
