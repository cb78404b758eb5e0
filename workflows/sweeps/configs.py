"""The configurations that a command line of train.py asks for; jobs that differ in the seed alone count once."""

from collections.abc import Sequence

from common.config.compose import check_config, check_override_order
from common.config.overrides import check_words, quote_path
from common.config.rules import check_data_dir
from common.config.schema import Config
from common.sweeps import records as sweeps
from workflows.sweeps.sbatch import grid

# Keys that change neither the images nor the weights.
UNIMPORTANT = ("sweep", "seed", "cluster")


def job_configs(overrides: Sequence[str], needs_data: bool = True) -> list[Config]:
    """Return the configuration of each job, jobs that differ in seed and cluster once.

    Args:
        overrides: As train.py takes them, ``+sweep=...`` and several values of a key included.
        needs_data: Whether ``data_dir`` must exist.

    Raises:
        UserError: An override cannot be read, or a job's configuration is not valid.
    """
    check_words(overrides)
    configs = []
    with grid([quote_path(word) for word in overrides], multirun=True) as expanded:
        kept = [tuple(word for word in job if _is_important(word)) for job in expanded.jobs]
        for words in dict.fromkeys(kept):
            check_override_order(words)
            composed = expanded.job_config(words)
            if needs_data:
                check_data_dir(composed)
            configs.append(check_config(composed))
    return configs


def _is_important(word: str) -> bool:
    return sweeps.key_of(word).partition(".")[0] not in UNIMPORTANT
