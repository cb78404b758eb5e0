"""What is measured of a code base: imports, also by strings, and circles."""

import subprocess

import pytest

from benchmarks.structure import CodeBase, count_lines

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


def test_imports_are_followed_also_where_a_string_names_a_module(code):
    names = [module.name for module in code.closure()]
    assert names == ["core", "core.fit", "core.sources", "feature.page", "train"]
    assert count_lines(code.closure()) == 1 + 0 + 2 + 7 + 2
    assert code.circles() == {"core.fit", "core.sources"}
