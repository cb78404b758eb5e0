"""What is said of a device and a precision before anything is computed."""

import platform

import pytest
import torch

from karyocyte.common.cli import warn_once
from karyocyte.config.distributed import World
from lightning_modules.support.distributed import current_world, process_group
from lightning_modules.training.trainer import check_trainer
from tests.helpers.training import small_config


@pytest.mark.parametrize(
    ("machine", "bfloat16", "precision", "warns"),
    [
        ("x86_64", False, "bf16-mixed", True),
        ("x86_64", False, "32-true", False),
        ("x86_64", True, "bf16-mixed", False),
        ("aarch64", False, "bf16-mixed", False),
    ],
)
def test_bfloat16_without_its_instructions_is_warned_of(
    tmp_path, capsys, monkeypatch, machine, bfloat16, precision, warns
):
    warn_once.cache_clear()
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: bfloat16)
    check_trainer(small_config(tmp_path, "trainer.accelerator=cpu", f"trainer.precision={precision}"))
    assert ("trainer.precision=32-true" in " ".join(capsys.readouterr().out.split())) == warns


def test_a_single_process_joins_nothing(tmp_path):
    with process_group(small_config(tmp_path).trainer) as world:
        assert (world, current_world()) == (World(), World())
        assert not torch.distributed.is_initialized()
