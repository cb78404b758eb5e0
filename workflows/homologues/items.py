"""The pairs of a finished run, as it saw them."""

from common.cli import console
from common.errors import UserError
from common.runs.distributed import World
from common.runs.run import Run
from datamodules.homologues.pair_datamodule import PairDataModule


def open_data(run: Run, data_dir: str | None = None) -> PairDataModule:
    """Return the data module of a run that compares homologues.

    Args:
        run: A finished run.
        data_dir: Where its images are now, if not where they were.

    Raises:
        UserError: The run does not compare homologues, or its images are missing or others.
    """
    if run.pairs is None:
        raise UserError(f"{run.folder} does not compare homologues: name a run of +experiment=homologue_pairs")
    config = run.config if data_dir is None else run.config.model_copy(update={"data_dir": data_dir})
    data = PairDataModule.from_config(config, console.is_terminal, World())
    data.prepare_data()
    data.setup()
    if data.content_hash() != run.identity["contents"]["data"]:
        raise UserError(
            f"the images of data_dir={config.data_dir} are not those of {run.folder}, or this version derives "
            "rearrangements in another way: set data_dir, or train again"
        )
    return data
