"""Whether the files and folders exist that a composed configuration names."""

from pathlib import Path

from omegaconf import DictConfig

from karyocyte.common.cli import warn_once
from karyocyte.common.errors import UserError
from karyocyte.common.installed import run_keys
from karyocyte.config.rules import DATA_DIR_HINT
from karyocyte.config.sources import settings_of
from karyocyte.runs.run import Run


def check_data_dir(composed: DictConfig, elsewhere: bool = False) -> None:
    """Check, before any validation, that the data folder that is read exists; one read ``elsewhere`` is warned of."""
    if settings_of(composed.data.get("chromosomes", composed.data).source).drawn:
        return
    if composed.data_dir is None:
        raise UserError(f"no data folder is named: {DATA_DIR_HINT}")
    downloaded = composed.data.get("download", False)
    data_dir = Path(str(composed.data_dir)).expanduser()
    if not downloaded and not data_dir.exists():
        if not elsewhere:
            raise UserError(f"data_dir={composed.data_dir} does not exist: {DATA_DIR_HINT}")
        warn_once(f"data_dir={composed.data_dir} does not exist on this machine: the jobs need it on theirs")


def check_files(composed: DictConfig, elsewhere: bool = False) -> None:
    """Check that what ``data_dir`` (`check_data_dir`) and the keys of runs name exists."""
    check_data_dir(composed, elsewhere)
    for key in run_keys():
        run = Path(composed.get(key) or "")
        if not run.name:
            continue
        if key not in ("init_from", Run.open_trained(run).recipe):
            raise UserError(f"{key}={run} is no {key}: name a run of `--config-name {key}`")
