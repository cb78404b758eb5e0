"""What every source says of a data folder that is not there."""

import pytest

from common.errors import UserError
from datamodules.sources import scan
from datamodules.sources.cnmc import CnmcConfig
from datamodules.sources.folder import FolderConfig
from datamodules.sources.table import TableConfig

CONFIGS = [
    CnmcConfig(source="cnmc", positive_class="all"),
    FolderConfig(source="folder"),
    TableConfig(source="table"),
]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.source)
def test_a_data_folder_that_is_not_there_says_what_to_set(tmp_path, config):
    (tmp_path / "empty").mkdir()
    for place in (None, str(tmp_path / "none"), str(tmp_path / "empty")):
        with pytest.raises(UserError, match=r"data_dir=.*KARYOCYTE_DATA_DIR.*\+profile=demo"):
            scan(config, place, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.source)
def test_archives_are_named_where_they_are_not_unpacked(tmp_path, config):
    (tmp_path / "cnmc_sample.tar").write_bytes(b"")
    with pytest.raises(UserError, match=r"unpack cnmc_sample.tar first"):
        scan(config, str(tmp_path), tmp_path / "cache")
    (tmp_path / "cnmc_sample.zip").write_bytes(b"PK")
    with pytest.raises(UserError, match=r"data_dir may be a zip itself: data_dir=.*/cnmc_sample.zip"):
        scan(config, str(tmp_path), tmp_path / "cache")
