"""The GPUs of a machine, by a program that only pretends them."""

import pytest

from hydra_plugins.karyocyte._local import find_gpus
from tests.helpers.gpus import pretend_gpus


@pytest.mark.parametrize(
    ("count", "visible", "gpus"),
    [
        (3, None, ("0", "1", "2")),
        (4, "3, 1", ("3", "1")),
        (4, "-1", ()),
        (2, "GPU-00000001,GPU-00000000-aaaa-bbbb", ("GPU-00000001", "GPU-00000000-aaaa-bbbb")),
        (2, "", ()),
        (0, "0,1", ()),  # the variable names what is not there
    ],
)
def test_the_gpus_are_those_of_the_variable_or_all(tmp_path, monkeypatch, count, visible, gpus):
    pretend_gpus(tmp_path / "bin", monkeypatch, count, visible)
    assert find_gpus() == gpus
