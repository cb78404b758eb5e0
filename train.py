"""Train and judge one model: ``python train.py +experiment=<name>``; conf/train.yaml explains every key."""

from typing import TYPE_CHECKING

import hydra
from omegaconf import DictConfig

from common.config.compose import check_config, check_override_order
from common.paths import ROOT
from common.sweeps.jobs import command_line, job
from workflows.train import run

if TYPE_CHECKING:
    pass


@hydra.main(version_base="1.3", config_path=str(ROOT / "conf"), config_name="train")
def main(composed: DictConfig) -> None:
    """Run one job of a single run or of a multirun."""
    with job(composed) as overrides:
        check_override_order(overrides)
        run(check_config(composed))


if __name__ == "__main__":
    with command_line():
        main()
