"""The rooms and their walls: who may import whom, and how long a command line may be."""

import ast
from pathlib import Path

import pytest

from common.runs import ROOT

ROOMS = ("common", "datamodules", "lightning_modules", "evaluation")
ALLOWED = {
    "common": {"common"},
    "datamodules": {"common", "datamodules"},
    "lightning_modules": {"common", "lightning_modules"},
    "evaluation": {"common", "evaluation"},
}


def imports(path: Path) -> set[str]:
    """The top-level packages that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_lies_below_it(room):
    files = list((ROOT / room).rglob("*.py"))
    assert files
    for path in files:
        foreign = imports(path) & ({*ROOMS, "scripts", "tests", "train"} - ALLOWED[room])
        assert not foreign, f"{path.relative_to(ROOT)} imports {foreign}"


def test_evaluation_never_loads_a_model_library():
    # Predictions are all that it needs; only to look into a model, which it is given, does it take torch.
    looking = {ROOT / "evaluation" / name for name in ("layers.py", "heatmaps.py")}
    for path in {*(ROOT / "evaluation").glob("*.py")} - looking:
        assert not imports(path) & {"torch", "timm", "pytorch_lightning"}, path.name


def test_train_py_stays_a_thin_entry():
    lines = (ROOT / "train.py").read_text().splitlines()
    assert len(lines) <= 100
