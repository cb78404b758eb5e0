"""Counts the files of a checkout, and their lines, that a training of its smoke profile loads.

``cd <checkout>; python <this file>`` prints both. The static count of benchmarks.structure leaves out what
configurations name by ``_target_``, and sources and networks, which their packages import.
"""

import runpy
import sys
import tempfile
from pathlib import Path

SETTINGS = ("+experiment=mobilenetv2_cut", "+profile=smoke", "data=synthetic_cells", "weights=random")


def main() -> None:
    """Run the training; print the number of files and of lines."""
    root = Path.cwd()
    sys.path.insert(0, str(root))
    with tempfile.TemporaryDirectory() as folder:
        folders = (f"output_dir={folder}/outputs", f"cache_dir={folder}/cache")
        sys.argv = ["train.py", *SETTINGS, *folders, "trainer.accelerator=cpu"]
        runpy.run_path("train.py", run_name="__main__")
    paths = {Path(getattr(module, "__file__", None) or root) for module in list(sys.modules.values())}
    ours = {path for path in paths if path.suffix == ".py" and path.is_relative_to(root) and ".venv" not in path.parts}
    ours.add(root / "train.py")
    print(len(ours), sum(path.read_text(encoding="utf-8").count("\n") for path in ours))


if __name__ == "__main__":
    main()
