"""Train and evaluate one model.

Usage: python train.py [+experiment=NAME] [+profile=NAME] [KEY=VALUE]...
       python train.py --config-name NAME [KEY=VALUE]...

conf/run.yaml and conf/train.yaml explain every key, other networks have a file
of their own, named by --config-name; docs/reference/run_folder.md explains the
files of a run. --cfg job prints all keys, with -m the jobs, their folders and
the batch script. Groups of conf/:

Examples:
  python train.py +experiment=resnet50_cut_block5 +profile=demo
  python train.py +experiment=chromosomes data=chromosomes data_dir=cells
  python train.py data=folder data_dir=images model=resnet18
  python train.py -m +experiment=mobilenetv2_cut data_dir=cnmc seed=0,1,2
  python train.py --config-name detector data_dir=metaphases weights=random
  python train.py +experiment=mobilenetv2_cut --cfg job
  python train.py -m +sweep=smoke_grid --cfg job
"""

from karyocyte.common.errors import quiet_interrupts

quiet_interrupts()  # first: the imports take seconds

import sys

import hydra
from omegaconf import DictConfig

from karyocyte.common.paths import CONF
from karyocyte.composition.compose import check_config, check_override_order
from karyocyte.composition.named_files import check_files
from karyocyte.config.defaults import with_recipe
from karyocyte.config.overrides import help_asked, is_multirun, primary_typed
from karyocyte.workflows.sweeps.jobs import command_line, job
from karyocyte.workflows.sweeps.tasks import check_weights


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="train")
def main(composed: DictConfig) -> None:
    """Run one job of a single run or of a multirun."""
    with job() as overrides:
        check_override_order(overrides)
        composed = with_recipe(composed, primary_typed())
        config = check_config(composed)  # before the files: a mistyped key is no missing data
        check_files(composed)
        check_weights(config)
        from karyocyte.workflows.training import train  # here: --help and a mistyped key do not wait for torch

        train.run(config)


def app() -> None:
    """Answer ``--help``, or run what the command line asks for."""
    if help_asked():
        from karyocyte.config.help import print_help  # here: no training needs it

        print_help(__doc__ or "")
    else:
        with command_line():
            if is_multirun() and any(word.partition("=")[0] in ("--cfg", "-c") for word in sys.argv):
                from karyocyte.workflows.sweeps.planned import show_jobs

                words = [word for word in sys.argv[1:] if word[0] == "~" or ("=" in word and word[0] != "-")]
                show_jobs(words, primary_typed())
            else:
                main()
