"""The structure of the code base: what imports what, circles, complex functions, and what a training loads."""

import ast
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from radon.complexity import cc_visit
from scipy.sparse.csgraph import connected_components

from karyocyte.common.paths import ROOT

OUTSIDE = {"tests", "docs"}  # no part of the package
# A training of seconds: that of the README on synthetic cells.
SMOKE = ("train.py", "+experiment=resnet50_cut_block5", "data=synthetic", "weights=random", "+profile=smoke")
# Runs a program as Python would and, when the process ends, writes the files of all modules that it has loaded.
RUN_AND_LIST = """
import atexit, pathlib, runpy, sys
listed, *sys.argv = sys.argv[1:]
sys.path.insert(0, "")

def write():
    files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    pathlib.Path(listed).write_text("\\n".join(filter(None, files)))

atexit.register(write)
runpy.run_path(sys.argv[0], run_name="__main__")
"""
PACKAGES = "packages"  # the folder of packages that use this one
COMPLEX = 10  # the largest cyclomatic complexity that is read at once, by radon


@dataclass(frozen=True)
class Module:
    """A Python file: its dotted name, its path relative to the root, its text and its syntax tree."""

    name: str
    path: Path
    text: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        """All lines."""
        return self.text.count("\n")

    @cached_property
    def named(self) -> set[str]:
        """The dotted names that it imports, or holds as a string; ``from a import b`` names ``a.b``, too."""
        names: set[str] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                names.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module)
                names.update(f"{node.module}.{alias.name}" for alias in node.names)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                owner = node.value.rpartition(".")[0]  # the module of a class, as ``_target_`` names it
                names.update(name for name in (node.value, owner) if "." in name)
        return names


@dataclass(frozen=True)
class CodeBase:
    """The Python modules that git tracks, or would track, below ``root``."""

    root: Path = ROOT

    def tracked(self, *patterns: str) -> list[Path]:
        """Return files, relative to the root."""
        command = ["git", "-C", str(self.root), "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
        names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        return [path for path in map(Path, names) if (self.root / path).is_file()]

    @cached_property
    def modules(self) -> dict[str, Module]:
        """The modules by their dotted names."""
        found = {}
        for path in self.tracked("*.py"):
            name = ".".join(_import_path(path).parts).removesuffix(".__init__")
            text = (self.root / path).read_text(encoding="utf-8")
            found[name] = Module(name, path, text, ast.parse(text))
        return found

    @cached_property
    def imports(self) -> dict[str, set[str]]:
        """What each module imports of the others, anywhere in it: also by a string that names a module of ours."""
        return {name: (module.named & self.modules.keys()) - {name} for name, module in self.modules.items()}

    def below(self, *folders: str) -> list[Module]:
        """Return the modules in folders of the root."""
        return [module for module in self.modules.values() if any(module.path.is_relative_to(name) for name in folders)]

    def loaded_by(self, *words: str) -> list[Module]:
        """Return the modules that a Python process loads which is started with some words in the root."""
        with tempfile.TemporaryDirectory() as folder:
            listed = Path(folder) / "files.txt"
            environment = {**os.environ, "KARYOCYTE_CACHE_DIR": folder, "PYTHONPATH": str(self.root)}
            command = [sys.executable, "-c", RUN_AND_LIST, str(listed), *words, f"output_dir={folder}"]
            subprocess.run(command, cwd=self.root, env=environment, check=True, capture_output=True)
            files = set(listed.read_text(encoding="utf-8").splitlines())
        return [module for module in self.modules.values() if str(self.root / module.path) in files]

    def folder_circles(self) -> set[str]:
        """Return the folders, but for tests, that import each other in circles; a parent is a folder of its own.

        The ``__init__.py`` of a folder does not count as imported: Python runs it for everything below it.
        """
        imports: dict[str, set[str]] = defaultdict(set)
        for module in self.inside:
            for other in (self.modules[name].path for name in self.imports[module.name]):
                if len(module.path.parts) > 1 and other.name != "__init__.py" and other.parent != module.path.parent:
                    imports[str(module.path.parent)].add(str(other.parent))
        return _in_circles(imports)

    @cached_property
    def inside(self) -> list[Module]:
        """The modules of the package."""
        return [module for module in self.modules.values() if not OUTSIDE & {*module.path.parts}]

    def complex_functions(self) -> dict[str, int]:
        """Return the functions and methods whose cyclomatic complexity by radon is above COMPLEX, by file and name."""
        found = {}
        for module in self.inside:
            for block in cc_visit(module.text):
                if block.letter != "C" and block.complexity > COMPLEX:
                    found[f"{module.path}:{block.fullname}"] = int(block.complexity)
        return found

    def circles(self) -> set[str]:
        """Return the modules, but for tests, that import each other in circles."""
        imports = {}
        for name in self.imports.keys() - {module.name for module in self.below("tests")}:
            # Importing a.b.c runs a/__init__ and a/b/__init__ too, but those of one's own parents run already.
            imports[name] = {other for other in self.imports[name] if not f"{name}.".startswith(f"{other}.")}
        return _in_circles(imports)


def _import_path(path: Path) -> Path:
    """Return a file without its ending, relative to the folder on the path of Python that it is imported from."""
    if path.parts[0] == PACKAGES and "tests" not in path.parts and len(path.parts) > 3:
        return Path(*path.parts[2:]).with_suffix("")
    return path.with_suffix("")


def _in_circles(imports: Mapping[str, set[str]]) -> set[str]:
    """Return the names that lead back to themselves, of names that do not name themselves."""
    leads = np.array([[other in imports[name] for other in imports] for name in imports])
    _, circles = connected_components(leads, connection="strong")
    found = pd.Series(circles, index=list(imports))
    return set(found[found.duplicated(keep=False)].index)


def count_lines(modules: Iterable[Module]) -> int:
    """Add up the lines of modules."""
    return sum(module.lines for module in modules)
