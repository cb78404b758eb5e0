"""Where Hydra looks for files of conf/, besides conf/ itself."""

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin

from karyocyte.common.installed import loaded


class KaryocyteSearchPath(SearchPathPlugin):
    """Lets Hydra find the files like those of conf/ that installed packages have."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append the folders that the entry points ``karyocyte.conf`` name."""
        for name, folder in loaded("conf").items():
            search_path.append(name, f"file://{folder}")
