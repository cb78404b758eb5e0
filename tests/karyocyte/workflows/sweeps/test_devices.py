"""The GPUs of a machine, by a program that only pretends them."""

import pytest

from karyocyte.common.errors import UserError
from karyocyte.workflows.sweeps.devices import find_gpus
from tests.helpers.gpus import pretend_gpus


@pytest.mark.parametrize(
    ("count", "visible", "gpus"),
    [
        (3, None, ("0", "1", "2")),
        (4, "3, 1", ("3", "1")),
        (4, "2,2,-1,3", ("2",)),  # CUDA ignores what follows -1
        (2, "GPU-00000001,GPU-00000000-aaaa-bbbb", ("GPU-00000001", "GPU-00000000-aaaa-bbbb")),
        (2, "", ()),
        (0, "0,1", ()),  # the variable names what is not there
    ],
)
def test_the_gpus_are_those_of_the_variable_or_all(tmp_path, monkeypatch, count, visible, gpus):
    pretend_gpus(tmp_path / "bin", monkeypatch, count, visible)
    assert find_gpus() == gpus


def test_a_number_that_no_gpu_has_is_refused(tmp_path, monkeypatch):
    pretend_gpus(tmp_path / "bin", monkeypatch, 2, "0,2")
    with pytest.raises(UserError, match=r"CUDA_VISIBLE_DEVICES=0,2: there is no GPU 2, nvidia-smi lists 0 to 1"):
        find_gpus()


def test_a_driver_that_fails_is_said_and_counts_as_no_gpu(tmp_path, monkeypatch, capsys):
    pretend_gpus(tmp_path / "bin", monkeypatch, 0)
    (tmp_path / "bin" / "nvidia-smi").write_text("#!/bin/sh\necho 'cannot talk to the driver'; exit 9\n")
    assert find_gpus() == ()
    assert "cannot talk to the driver" in capsys.readouterr().out
