"""Which folders hold a detector, without the imports of networks and images."""

from pathlib import Path

from common.files import read_whole_json, read_yaml
from common.paths import ROOT
from common.runs.files import PortableFile, RunFile

KIND = "karyocyte portable detector"
RECIPE = "workflows.detection.train.DETECTION"
BUILT_IN = ROOT / "models" / "metaphases"  # what finds chromosomes where no detector is named


def is_portable_detector(folder: Path) -> bool:
    """Tell whether a folder holds an exported detector."""
    return bool(read_whole_json(folder / PortableFile.MODEL).get("kind") == KIND)


def is_detector_run(folder: Path) -> bool:
    """Tell whether a folder is the run of a detector."""
    config = folder / RunFile.CONFIG
    return config.is_file() and (read_yaml(config) or {}).get("recipe") == RECIPE
