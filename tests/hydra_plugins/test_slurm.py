"""What is told to Slurm, without one: the rest is tried in tests/cluster."""

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf

from common.config.cluster import SlurmConfig
from common.errors import UserError
from common.sweeps import records as sweeps
from hydra_plugins.karyocyte._slurm import SlurmBackend, _check_path, _parameters, _read
from hydra_plugins.karyocyte._tasks import Context, Task


def test_the_folder_of_the_sweep_reaches_the_job_letter_by_letter(monkeypatch):
    folder = "/runs/it's $HOME `id` a=b #1"
    monkeypatch.setenv(sweeps.VARIABLE, folder)
    monkeypatch.setenv("PYTHONPATH", "/code")
    lines = _parameters(SlurmConfig(name="slurm"), "grid")["slurm_setup"]
    script = "\n".join([*lines, f'printf %s "${sweeps.VARIABLE}"'])
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == folder


@pytest.mark.parametrize("sign", ['"', "%", "\\", "\n"])
def test_a_path_that_slurm_would_read_otherwise_is_refused(sign):
    with pytest.raises(UserError, match="^output_dir: "):
        _check_path(Path(f"/runs/a{sign}j"))
    _check_path(Path("/runs/it's a=b, #1"))


def test_a_damaged_list_of_what_was_submitted_is_not_taken_for_none(tmp_path):
    assert _read(tmp_path) == {}
    (tmp_path / "slurm.json").write_text('{"0a')
    with pytest.raises(UserError, match=r"slurm\.json cannot be read .* once none of the sweep's jobs is in the queue"):
        _read(tmp_path)


def test_jobs_share_an_array_where_what_they_ask_for_is_the_same(monkeypatch):
    """Of an experiment that needs two devices, too: it is composed, not read from what is typed alone."""

    def compose(config, overrides):
        values = {"name": "slurm", "tasks_per_node": 2 if "+experiment=big" in overrides else 1}
        return OmegaConf.create({"cluster": values})

    loader = SimpleNamespace(load_sweep_config=compose)
    context = SimpleNamespace(config_loader=loader)
    backend = SlurmBackend(SlurmConfig(name="slurm"), Context(context, OmegaConf.create(), print))
    typed = [(f"+experiment={name}", f"seed={seed}") for name in ("small", "big", "other") for seed in (0, 1)]
    tasks = [Task(sweeps.job_of(words), words, number, "") for number, words in enumerate(typed)]
    groups = [(settings.tasks_per_node, [task.number for task in group]) for settings, group in backend._groups(tasks)]
    assert groups == [(1, [0, 1, 4, 5]), (2, [2, 3])]
