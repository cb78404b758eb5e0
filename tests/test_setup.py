"""The installation: what the set-up says when it cannot do what it is asked, and calls in any folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from karyocyte.common.paths import ROOT


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A copy of what the set-up reads, and a `uv` that only notes how it was called and knows no other backend."""
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    program(tmp_path / "bin" / "uv", 'echo "$@" >> called; case "$*" in *--torch-backend*) exit 2;; esac')
    # The imports that end the set-up take long: here they are left out, and no checkout is installed there (-I asks).
    program(tmp_path / ".venv" / "bin" / "python", f'case "$1" in -|-I) exit 0;; esac; exec {sys.executable} "$@"')
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


def test_the_environment_of_another_checkout_is_refused(checkout):
    asked = f'[ "$1" = -I ] && echo {ROOT} && exit 0; exec {sys.executable} "$@"'
    program(checkout / ".venv" / "bin" / "python", asked)
    done = setup(checkout)
    assert (done.returncode, str(ROOT) in done.stderr, (checkout / "called").exists()) == (1, True, False)


def in_folder(folder: Path, *command: object) -> subprocess.CompletedProcess:
    return subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True, check=False)


def test_it_is_imported_in_any_folder_also_beside_packages_of_the_same_names(tmp_path):
    for name in ("common", "evaluation", "scripts", "workflows"):  # another project's own packages
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('the package of another project')")
    code = "from karyocyte.evaluation.intervals.over_subjects import intervals; import karyocyte.commands.report"
    beside = in_folder(tmp_path, sys.executable, "-c", code)
    assert (beside.returncode, beside.stderr) == (0, "")
    (tmp_path / "empty").mkdir()
    words = (
        "-m", "+cluster=local", "data=folder", "data_dir=empty", "data.positive_class=a", "weights=random",
        "cache_dir=cache",
    )  # fmt: skip
    job = in_folder(tmp_path, sys.executable, ROOT / "train.py", *words)  # is started by the command's own file
    assert "data folder empty is empty" in job.stdout, job.stdout + job.stderr
    assert len(list(tmp_path.glob("outputs/sweeps/*/logs/*.log"))) == 1


def test_a_wheel_is_refused(tmp_path):
    done = in_folder(ROOT, sys.executable, "setup.py", "bdist_wheel", "--dist-dir", tmp_path)
    assert done.returncode == 1
    reason = "Karyocyte reads conf/ and results/ from its checkout: install it by pip install -e ."
    assert done.stderr.splitlines() == [f"error: {reason}"]
    assert not list(tmp_path.iterdir())
