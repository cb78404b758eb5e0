"""Places of the code base, and variables of the environment that name others."""

import os
import subprocess
import sys

from karyocyte.common.paths import ROOT


def test_an_empty_variable_is_as_if_it_were_not_set():
    code = "import karyocyte.common.paths, os; print([name for name in os.environ if name.startswith('KARYOCYTE_')])"
    environment = {**os.environ, "KARYOCYTE_WEIGHTS_DIR": "", "KARYOCYTE_CACHE_DIR": "kept"}
    environment.pop("KARYOCYTE_DATA_DIR", None)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout == "['KARYOCYTE_CACHE_DIR']\n"
