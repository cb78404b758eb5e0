"""Train and evaluate one model: ``python train.py +experiment=<name>``; conf/train.yaml explains every key."""

from common.errors import quiet_interrupts

quiet_interrupts()  # first: the imports take seconds

import hydra
from omegaconf import DictConfig

from common.cli import heavy_imports
from common.config.compose import check_config, check_override_order
from common.config.rules import check_files
from common.paths import CONF
from common.sweeps.jobs import command_line, job


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="train")
def main(composed: DictConfig) -> None:
    """Run one job of a single run or of a multirun."""
    with job(composed) as overrides:
        check_override_order(overrides)
        check_files(composed)
        config = check_config(composed)
        with heavy_imports():  # here, so that --help and a mistyped key do not wait for torch
            from workflows import train
        train.run(config)


if __name__ == "__main__":
    with command_line():
        main()
