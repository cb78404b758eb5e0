"""What is measured of a code base: what a process loads, and circles of files and folders."""

import subprocess

import pytest

from tests.structure.structure import CodeBase, count_lines

FILES = {
    "train.py": "from core import fit\n",
    "core/__init__.py": "",
    "core/fit.py": 'def load():\n    return import_module("core.sources")\n',
    "core/sources.py": '"""It\n\nexplains."""\n\nfrom core import fit  # a circle\n\nTARGET = "feature.page.Page"\n',
    "feature/__init__.py": "",
    "feature/page.py": "# own line\nPage = 1\n",
    "tests/test_it.py": "import train\n",
}


@pytest.fixture
def code(tmp_path) -> CodeBase:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    return CodeBase(tmp_path)


def test_circles_of_files_and_of_folders_are_found_also_where_a_string_names_a_module(code):
    assert code.circles() == {"core.fit", "core.sources"}
    assert code.folder_circles() == set()
    (code.root / "feature" / "page.py").write_text("from core.fit import load\n")
    assert CodeBase(code.root).folder_circles() == {"core", "feature"}


def test_what_a_process_loads_is_counted_wherever_it_is_named(code):
    text = 'from importlib import import_module\nimport_module("feature" + ".page")\n'
    (code.root / "core" / "fit.py").write_text(text)
    loaded = CodeBase(code.root).loaded_by("train.py")
    assert {module.name for module in loaded} == {"core", "core.fit", "feature", "feature.page"}
    assert count_lines(loaded) == 0 + 2 + 0 + 2
