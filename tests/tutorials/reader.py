"""Runs the commands of the tutorials in a scratch folder, at smoke size."""

import os
import re
import runpy
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from karyocyte.common.paths import ROOT
from tests import processes

TUTORIALS = ROOT / "docs" / "tutorials"
SHORT = "trainer.accelerator=cpu evaluation.resamples=20 logger.tensorboard=false trainer.max_epochs=1"
# What is appended to each command that has the words: the same work on less data. A later value of a key counts.
SMALLER = {
    "train.py": SHORT,
    "reproduce.py": SHORT,
    "data=synthetic_chromosomes": "data.cells=6 data.cases=6",
    "+experiment=chromosomes": "split.folds=3",
    "data=synthetic_cells": "data.images=32 data.subjects=16 data.size=64",
    "+experiment=demo": "data.images=48 data.subjects=12 data.size=64 model.cut=layer2",
    "model=mobilenetv2_keras": "weights=random",
    "--dry-run": "--experiments scratch_cnn_d128",
}
MAKE_DEMO = (  # of `make demo` all but the installation
    "python train.py +experiment=demo",
    'python scripts/report.py "$(ls -dt outputs/demo/*/seed=0 | head -n 1)"',
)
SECONDS = 600  # that a command may take at most


def commands(page: Path) -> list[str]:
    """Return the commands of all bash blocks of a page, those of several lines as one line."""
    blocks = re.findall(r"^```bash\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return re.sub(r"\\\n *", "", "".join(blocks)).splitlines()


class Reader:
    """Somebody who follows tutorials in a checkout, all in the same scratch folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in (".venv", "scripts"):
            (folder / name).symlink_to(ROOT / name)
        self.environment = {"COLUMNS": "80", "KARYOCYTE_CACHE_DIR": "cache"}

    def follow(self, tutorial: str) -> str:
        """Run all commands of a tutorial; return what they print."""
        return "".join(self.run(command) for command in commands(TUTORIALS / f"{tutorial}.md"))

    def run(self, command: str) -> str:
        """Run a command as it is typed, but smaller; it must succeed. Return what it prints."""
        if command == "make demo":
            return "".join(map(self.run, MAKE_DEMO))
        if not command.startswith("python "):
            return self._shell(command)
        smaller = [words for marker, words in SMALLER.items() if marker in command and "--help" not in command]
        words = self._shell(f"printf '%s\\0' {' '.join([command, *smaller])}").split("\0")[1:-1]
        if words[0] == "scripts/review.py" and "--reader" in words:
            return self._open_page(words)
        output = self.folder / "printed.log"
        code = processes.exit_code(processes.start(output, self.environment, _call, self.folder, words), SECONDS)
        assert code == 0, (command, output.read_text())
        return output.read_text()

    def _shell(self, command: str) -> str:
        how = {"cwd": self.folder, "capture_output": True, "text": True, "check": False, "timeout": SECONDS}
        done = subprocess.run(["bash", "-ec", command], **how)
        assert done.returncode == 0, (command, done.stderr)
        return done.stdout

    def _open_page(self, words: list[str]) -> str:
        """Ask for the page of a command that serves one until Ctrl-C."""
        output = self.folder / "printed.log"
        output.unlink(missing_ok=True)
        process = processes.start(output, self.environment, _call, self.folder, words)
        end = time.monotonic() + SECONDS
        while not (address := re.search(r"http://\S+/", output.read_text() if output.exists() else "")):
            assert process.is_alive(), output.read_text()
            assert time.monotonic() < end
            time.sleep(0.1)
        with urllib.request.urlopen(address.group(), timeout=SECONDS) as answer:
            assert "Review of karyotypes" in answer.read().decode()
        os.kill(process.pid, signal.SIGINT)
        assert processes.exit_code(process, SECONDS) == 0
        return output.read_text()


def _call(folder: Path, words: list[str]) -> None:
    os.chdir(folder)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from reproduction import run as reproduction

    # The imports of the steps take most of their time, and the drawings most of that of a small run.
    reproduction._wait_for = _fork
    Figure.savefig = _save_blank
    if words[0] == "-m":
        sys.argv = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = words
        runpy.run_path(str(ROOT / words[0]), run_name="__main__")


def _save_blank(figure: Figure, target: Path, **options: object) -> None:
    Image.new("RGB", (8, 8)).save(target)


def _fork(command: list[str]) -> int:
    """Run a step of a reproduction in a fork of this process, see ``reproduction.run._wait_for``."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code: object = 1
    try:
        sys.argv = command[1:]
        runpy.run_path(command[1], run_name="__main__")
        code = 0
    except SystemExit as end:
        code = end.code or 0
    finally:
        sys.stdout.flush()
        os._exit(code if isinstance(code, int) else 1)
