"""Whether the files and folders exist that a composed configuration names."""

from pathlib import Path

from omegaconf import DictConfig

from karyocyte.common.cli import warn_once
from karyocyte.common.errors import UserError, close_path
from karyocyte.common.installed import entries
from karyocyte.config.rules import DATA_DIR_HINT
from karyocyte.config.sources import settings_of
from karyocyte.runs.portable_folder import kind_of
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
            raise UserError(
                f"data_dir={composed.data_dir} does not exist: {close_path(data_dir, 'data_dir=')}{DATA_DIR_HINT}"
            )
        warn_once(f"data_dir={composed.data_dir} does not exist on this machine: the jobs need it on theirs")


def check_files(composed: DictConfig, elsewhere: bool = False) -> None:
    """Check that what ``weights``, ``data_dir`` (`check_data_dir`) and the keys of runs (`check_runs`) name exists."""
    weights = str(composed.weights)
    if weights.endswith(".safetensors") and not Path(weights).is_file():
        raise UserError(f"weights={weights} does not exist: name the file, a timm tag, or `weights=random`")
    folder = weights.removeprefix("local-dir:")
    if folder != weights and not Path(folder).expanduser().is_dir():
        raise UserError(f"weights={weights}: there is no such folder: bring config.json and model.safetensors there")
    check_data_dir(composed, elsewhere)
    check_runs(composed)


def check_runs(composed: DictConfig) -> None:
    """Check that ``init_from`` names a finished run or a portable folder, and each key of a kind one of that kind."""
    if composed.init_from is not None:
        start = Path(composed.init_from)
        # An exported folder has no run that could be unfinished.
        if kind_of(start) is None:
            Run.open_finished(start)
    for kind in entries("kinds"):
        if composed.get(kind) is not None:
            network = Path(composed[kind])
            if (kind_of(network) or Run.open_finished(network).raw_config["recipe"]) != kind:
                raise UserError(f"{kind}={network} is no {kind}: name a run of `--config-name {kind}`")
