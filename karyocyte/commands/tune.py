r"""Search good settings, such as learning rate and batch size, with Optuna.

Usage: python scripts/tune.py +search=NAME [+experiment=NAME] [KEY=VALUE]...

Every trial is a run of train.py. The same command again goes on up to
search.trials; several processes may run it at once and share the work. The
objective is callbacks.monitor, on the validation part. In the study's folder,
which is printed: trials.csv, a picture per searched key, and best.yaml with the
best settings.

Several workers may be jobs of a cluster, on one study; its folder must be on a
file system that all of them see. A trial that was interrupted is tried again; in
place of one that was killed another one is drawn.

conf/search/*.yaml explain the keys of a search, conf/run.yaml and
conf/train.yaml those of a run.

Examples:
  python scripts/tune.py +search=lr_batch +experiment=resnet50_cut_block5
  python scripts/tune.py +search=lr_batch +experiment=mobilenetv2_cut \
    '+search.space.optimizer.weight_decay={low: 1e-6, high: 1e-2}'
  python scripts/tune.py -m +search=lr_batch +experiment=mobilenetv2_cut \
    +cluster=slurm 'search.worker=range(0,4)'
"""

from karyocyte.common.errors import quiet_interrupts

quiet_interrupts()  # the imports take a while
import hydra
from omegaconf import DictConfig

from karyocyte.common.paths import CONF
from karyocyte.composition.compose import check_override_order
from karyocyte.composition.named_files import check_files
from karyocyte.config.defaults import with_recipe
from karyocyte.config.overrides import help_asked, primary_typed
from karyocyte.workflows.sweeps.jobs import command_line, job
from karyocyte.workflows.sweeps.tuning.settings import check_space, take_search


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="train")
def main(composed: DictConfig) -> None:
    """Run a search, or continue it."""
    with job("search") as overrides:
        check_override_order(overrides)
        search, rest = take_search(with_recipe(composed, primary_typed()))
        check_space(search, rest)
        check_files(rest)
        # Imported here, so that --help and a mistyped key do not wait for torch.
        from karyocyte.workflows.sweeps.tuning.search import tune

        tune(search, rest)


def app() -> None:
    """Answer ``--help``, or run what the command line asks for."""
    if help_asked():
        from karyocyte.config.help import print_help  # here: no training needs it

        print_help(__doc__ or "", ("search",))
    else:
        with command_line():
            main()
