"""The GPUs of a machine, by a program that only pretends them, and how jobs share them."""

import pytest

from common.errors import UserError
from tests.helpers.gpus import DIVIDED, pretend_gpus
from workflows.sweeps.devices import DevicePool, find_gpus

MIG = ("MIG-7089d0f3-293f-58c9-8f8c-5ea666eedbde", "MIG-56c30729-347f-5dd6-8da0-c3cc59e969e0")
SECOND = "GPU-11111111-d268-c3f3-1b07-005d5ae1dc3f"


@pytest.mark.parametrize(
    ("listing", "visible", "gpus"),
    [
        (3, None, ("0", "1", "2")),
        (DIVIDED, None, (*MIG, SECOND)),
        (4, "3, 1", ("3", "1")),
        (4, "2,2,-1,3", ("2",)),  # CUDA ignores what follows -1
        (2, "GPU-00000001,GPU-00000000-aaaa-bbbb", ("GPU-00000001", "GPU-00000000-aaaa-bbbb")),
        (DIVIDED, MIG[1], (MIG[1],)),
        (2, "", ()),
        (2, "NoDevFiles", ()),
        ("", "0,1", ()),  # the variable names what is not there
    ],
)
def test_the_gpus_are_those_of_the_variable_or_all(tmp_path, monkeypatch, listing, visible, gpus):
    pretend_gpus(tmp_path / "bin", monkeypatch, listing, visible)
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


def test_each_job_has_gpus_of_its_own_until_it_gives_them_back():
    pool = DevicePool(["0", "1", "2"])
    first = pool.take(2)
    assert (first, pool.take(2), pool.take(1), pool.take(1)) == (("0", "1"), None, ("2",), None)
    pool.give_back(first)
    assert pool.take(1) == ("0",)


def test_jobs_that_share_gpus_are_spread_over_them():
    pool = DevicePool(["a", "b"], jobs_per_gpu=2)
    assert pool.size == 4
    assert [pool.take(1) for _ in range(5)] == [("a",), ("b",), ("a",), ("b",), None]
    pool.give_back(["b"])
    assert pool.take(2) is None
    assert pool.take(1) == ("b",)


def test_the_order_of_the_variable_is_kept_within_a_job():
    pool = DevicePool(["3", "1", "2"], jobs_per_gpu=2)
    pool.take(1)
    assert pool.take(3) == ("3", "1", "2")


def test_no_job_of_several_processes_has_an_instance_of_a_divided_gpu():
    pool = DevicePool([*MIG, SECOND])
    assert pool.usable(2) == [SECOND]
    assert pool.take(2) is None
    assert pool.take(1) == (MIG[0],)
