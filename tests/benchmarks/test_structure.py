"""What is measured of a code base: imports, also by strings, circles, keys and density."""

import subprocess

import pytest

from benchmarks.structure import CodeBase, count_keys, count_lines, density

FILES = {
    "train.py": "from core import fit\n",
    "core/__init__.py": "",
    "core/fit.py": 'def load():\n    return import_module("core.sources")\n',
    "core/sources.py": '"""It\n\nexplains."""\n\nfrom core import fit  # a circle\n\nTARGET = "feature.page.Page"\n',
    "feature/__init__.py": "",
    "feature/page.py": "# own line\nPage = [a if a else b for a in b]\n",
    "feature/schema.py": (
        "class StrictModel: ...\n"
        "class Part(StrictModel):\n    a: int\n    b: ClassVar[int]\n"
        "class Config(StrictModel):\n    part: Part\n    c: str\n"
        "class SourceConfig(StrictModel): ...\n"
        "class Own(SourceConfig):\n    d: int\n"
        "class Other(StrictModel):\n    e: int\n"
    ),
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


def test_keys_are_the_fields_that_the_schema_or_a_source_reaches(code):
    assert count_keys(code.below("feature")) == {"keys of conf/train.yaml": 4, "keys of other schemas": 1}


def test_density_is_per_line_of_code(code):
    values = list(density([code.modules["feature.page"], code.modules["core.sources"]]).values())
    assert values == [333.3, 333.3]  # one each in three lines
