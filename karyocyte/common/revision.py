"""The revision of the code and the machine that a result was made with."""

import importlib.metadata
import platform
import subprocess
import sys
from functools import cache
from typing import Any

from karyocyte.common.paths import ROOT

PACKAGES = ("torch", "torchvision", "pytorch-lightning", "timm", "albumentations", "opencv-python-headless", "numpy")
COVERED = ("*.py", "conf", "packages/*/conf", "models")  # what decides a result, as git's pathspecs


@cache
def revision() -> str:
    """Return the git revision, with "+changes" where files of COVERED differ; "unknown" without git."""
    try:
        commit = _git("rev-parse", "--short=12", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", *COVERED)
        # New YAML files are no change: a run's config.yaml holds what it has used of them.
        changed += _git("ls-files", "--others", "--exclude-standard", "--", "*.py")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    if changed:
        return f"{commit}+changes"
    return commit


def environment(command: list[str]) -> dict[str, Any]:
    """Return the versions, the revision and the machine that a run is made with, JSON-able."""
    return {
        "command": command,
        "revision": revision(),
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "packages": dict(zip(PACKAGES, map(importlib.metadata.version, PACKAGES), strict=True)),
    }


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
