"""Damages the files of a cache and of runs, and kills loader processes of trainings, to see what is noticed.

``python -m benchmarks.damage files DATA_DIR WORK CSV`` trains a small network on the images of DATA_DIR (the C-NMC set
or a part of it) in the folder WORK. Each damage turns a bit of a file, cuts or empties it; then the file is used as a
command uses it. ``workers`` in place of ``files`` kills a loader process of a training at a random moment.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pytorch_lightning import Callback

from karyocyte.common.errors import UserError
from karyocyte.common.files import write_csv
from karyocyte.common.preemption import Preempted, watched
from karyocyte.composition.compose import compose_config
from karyocyte.config.schema import TrainingConfig
from karyocyte.runs.files import RunFile
from karyocyte.runs.run import Run
from karyocyte.workflows.training import train
from lightning_modules.build.load import load_run
from lightning_modules.prediction.out_of_distribution import load_out_of_distribution

KEYS = [
    "data=cnmc", "model=resnet18", "model.cut=layer1", "weights=random", "unfreeze=together", "prepare.size=32",
    "trainer.accelerator=cpu", "trainer.enable_progress_bar=false", "logger.tensorboard=false", "trainer.max_epochs=2",
    "evaluation.resamples=20", "split.near_duplicates=off", "callbacks.early_stopping.enabled=false",
]  # fmt: skip
KILLS = 20
LIMIT = 60  # seconds within which a run must end after a kill


class Interrupts(Callback):
    """Sends SIGTERM in the second epoch."""

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Send it."""
        if trainer.current_epoch == 1:
            signal.raise_signal(signal.SIGTERM)


def config_of(data_dir: Path, now: Path, *more: str) -> TrainingConfig:
    """Return the configuration of a small training in a folder."""
    return compose_config([*KEYS, f"data_dir={data_dir}", f"output_dir={now}/outputs", f"cache_dir={now}/cache", *more])


def images(config: TrainingConfig) -> Any:
    """Return the facts and the prepared images that a training reads."""
    data: Any = train.recipe_of(config).data(config, progress=False)
    prepared = data.images
    return [data.manifest.frame.to_csv(), *(prepared[row].tobytes() for row in range(len(prepared)))]


def weights(run: Path) -> Any:
    """Return the weights that predict and export load."""
    return [values.numpy().tobytes() for values in load_run(run).classifier.state_dict().values()]


def distances(run: Path) -> Any:
    """Return the distances of the validation images that predict compares new ones with."""
    score, _ = load_out_of_distribution(Run(run).checked(Run(run).path(RunFile.OUT_OF_DISTRIBUTION)), 0.1)
    return None if score is None else [score.validation.tobytes(), score.distances.features.numpy().tobytes()]


def predictions(run: Path) -> Any:
    """Return the table that every evaluation reads."""
    return Run(run).predictions.frame.to_csv()


def uses(config: TrainingConfig, run: Path) -> Iterator[tuple[str, str, str, int, Callable[[], Any]]]:
    """Yield kind, state of the folder, pattern of a file, number of damages, and what is done with the file."""
    yield "cache", "finished", "cache/prepared/*/images.npy", 12, lambda: images(config)
    yield "cache", "finished", "cache/prepared/*/images.csv", 4, lambda: images(config)
    yield "cache", "finished", "cache/scan/*.parquet", 4, lambda: images(config)
    yield "checkpoint", "finished", "outputs/**/best.ckpt", 15, lambda: weights(run)
    yield "checkpoint", "interrupted", "outputs/**/last.ckpt", 12, lambda: predictions(train.run(config))
    yield "checkpoint", "interrupted", "outputs/**/best.ckpt", 3, lambda: predictions(train.run(config))
    yield "other", "finished", f"outputs/**/{RunFile.OUT_OF_DISTRIBUTION}", 4, lambda: distances(run)
    yield "other", "finished", f"outputs/**/{RunFile.PREDICTIONS}", 4, lambda: predictions(run)
    yield "other", "finished", f"outputs/**/{RunFile.SPLIT}", 2, lambda: predictions(run)


def damages(content: bytes, count: int, generator: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    """Yield names of damages and the damaged content: half of it, none of it, then bits turned at random places."""
    yield "cut in half", content[: len(content) // 2]
    yield "empty", b""
    for place in generator.integers(len(content), size=count - 2).tolist():
        changed = bytearray(content)
        changed[place] ^= 1 << int(generator.integers(8))
        yield f"a bit of byte {place:,} of {len(content):,} turned", bytes(changed)


def outcome(use: Callable[[], Any], right: Any) -> tuple[str, str]:
    """Use a damaged file; return whether that was noticed, and what happened."""
    with redirect_stdout(StringIO()) as printed:
        try:
            same = use() == right
        except UserError as error:
            return "yes", f"error: {error}".split(": ", 2)[0] + ", one line"
        except Exception as error:
            return "yes", f"TRACEBACK, {type(error).__name__}"
    if "is damaged" in printed.getvalue().replace("\n", " "):
        return "yes", "made again, as before" if same else "MADE AGAIN, DIFFERENT"
    return "no", "the same is read" if same else "OTHER CONTENT IS USED"


def damage_files(data_dir: Path, work: Path, table: Path) -> None:
    """Try all damages; write the table."""
    now = work / "now"
    shutil.rmtree(work, ignore_errors=True)
    config = config_of(data_dir, now)
    with redirect_stdout(StringIO()):
        with suppress(Preempted), watched():
            train.run(config, lambda folder: [Interrupts()])
        shutil.copytree(now, work / "interrupted")
        run = train.run(config)
        shutil.copytree(now, work / "finished")
    generator = np.random.default_rng(0)
    rows = []
    for kind, state, pattern, count, use in uses(config, run):
        with redirect_stdout(StringIO()):
            _restore(work, state)
            right = use()
        (file,) = (work / state).glob(pattern)
        for name, content in damages(file.read_bytes(), count, generator):
            _restore(work, state)
            (now / file.relative_to(work / state)).write_bytes(content)
            noticed, happened = outcome(use, right)
            about = {"kind": kind, "run": state, "file": file.name, "damage": name}
            rows.append({**about, "noticed": noticed, "happened": happened})
            print(*rows[-1].values(), sep=" | ", flush=True)
    write_csv(table, pd.DataFrame(rows))


def _restore(work: Path, state: str) -> None:
    """Put a folder in its state before any damage, by copies with the times of the files."""
    shutil.rmtree(work / "now")
    shutil.copytree(work / state, work / "now")


def kill_workers(data_dir: Path, work: Path, table: Path) -> None:
    """Kill a loader process of each of some trainings; write the table."""
    work.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    places = [f"data_dir={data_dir}", f"output_dir={work}/outputs", f"cache_dir={work}/cache"]
    epochs = ["trainer.max_epochs=999", "prepare.size=128", "loader.batch_size=2"]
    more = ["cache_features=off", "loader.workers=2", *epochs]
    rows = []
    for number in range(KILLS):
        rows.append(_kill_one([*KEYS, *places, *more, f"seed={number}"], work / "printed", generator))
        print(*rows[-1].values(), sep=" | ", flush=True)
        write_csv(table, pd.DataFrame(rows), "%.1f")


def _kill_one(overrides: list[str], printed: Path, generator: np.random.Generator) -> dict[str, Any]:
    """Start a training, kill one of its loader processes, and report how it ended; "went on": with new ones.

    An error that torch raises while Python ends the loader of a complete epoch is ignored: no image is missing.
    """
    with open(printed, "w") as file:
        process = subprocess.Popen([sys.executable, "train.py", *overrides], stdout=file, stderr=file)
    while process.poll() is None and not _loader_processes(process.pid):
        time.sleep(0.05)
    time.sleep(generator.uniform(0, 5))
    while not (workers := _loader_processes(process.pid)):
        time.sleep(0.01)
    os.kill(int(generator.choice(workers)), signal.SIGKILL)
    killed_at = time.monotonic()
    happened = "ended"
    try:
        process.wait(LIMIT)
    except subprocess.TimeoutExpired:
        happened = "went on" if set(_loader_processes(process.pid)) - set(workers) else "HANGS"
    seconds = time.monotonic() - killed_at
    left = sum(Path(f"/proc/{worker}").exists() for worker in workers)
    exit_code = process.poll()
    process.kill()
    process.wait()
    lines = printed.read_text().splitlines()
    errors = sum(line.startswith("error:") for line in lines)
    ignored = sum(line.startswith("Exception ignored") for line in lines)
    facts = {"happened": happened, "seconds": seconds, "exit_code": exit_code}
    return {**facts, "error_lines": errors, "ignored_errors": ignored, "processes_left": left}


def _loader_processes(parent: int) -> list[int]:
    """Return the ids of the children of a process that load images, by the name that torch gives them."""
    found = []
    for children in Path(f"/proc/{parent}/task").glob("*/children"):
        with suppress(OSError):  # it may end meanwhile
            for child in children.read_text().split():
                name, _, state = Path(f"/proc/{child}/stat").read_text().partition("(")[2].rpartition(") ")
                if name == "pt_data_worker" and not state.startswith("Z"):
                    found.append(int(child))
    return found


if __name__ == "__main__":
    work_of = {"files": damage_files, "workers": kill_workers}[sys.argv[1]]
    work_of(*map(Path, sys.argv[2:5]))
