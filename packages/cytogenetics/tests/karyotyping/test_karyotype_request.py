"""What is asked of scripts/karyotype.py, before a model is loaded."""

import subprocess
import sys
from pathlib import Path

import pytest

from cytogenetics.karyotyping.karyotype_request import BUILT_IN_CUTTER, KaryotypeRequest
from cytogenetics.portable.pictures import BUILT_IN, BUILT_IN_DETECTOR, BUILT_IN_REFINER
from karyocyte.common.errors import UserError
from karyocyte.common.paths import ROOT


def test_without_a_name_the_output_is_where_git_does_not_track_it(tmp_path):
    request = KaryotypeRequest.read(["some", "cells"])
    assert request.folder == Path("outputs", "karyotypes", "cells")
    assert KaryotypeRequest.read(["some", "cells"], output=tmp_path).folder == tmp_path


def test_the_built_in_cutter_cuts_unless_there_is_to_be_none():
    assert KaryotypeRequest.read(["pictures"]).pictures.cutter == BUILT_IN_CUTTER
    assert KaryotypeRequest.read(["pictures", "cutter=none"]).pictures.cutter is None


def test_the_built_in_refiner_goes_with_the_built_in_detectors():
    own = f"detector={BUILT_IN_DETECTOR}"
    assert KaryotypeRequest.read(["pictures"]).pictures.refiner == BUILT_IN_REFINER
    assert KaryotypeRequest.read(["pictures", "refiner=none"]).pictures.refiner is None
    assert KaryotypeRequest.read(["pictures", own]).pictures.refiner is None
    named = KaryotypeRequest.read(["pictures", own, f"refiner={BUILT_IN_REFINER}"])
    assert (named.pictures.refiner, list(named.pictures.detectors)) == (BUILT_IN_REFINER, [BUILT_IN_DETECTOR])


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ([f"refiner={BUILT_IN_CUTTER}"], "is no refiner: name a run of --config-name refiner"),
        ([f"detector={BUILT_IN_REFINER}"], "is no detector: name a run of --config-name detector"),
        ([f"cutter={BUILT_IN_DETECTOR}"], "is no cutter: name a run of --config-name cutter"),
        (["input=chromosomes", f"refiner={BUILT_IN_REFINER}"], "has no effect on single chromosomes"),
    ],
)
def test_a_network_of_another_kind_or_without_effect_is_refused(tmp_path, words, error):
    with pytest.raises(UserError, match=error):
        KaryotypeRequest.read([str(tmp_path), *words], output=tmp_path / "out").open()


def test_a_wrong_command_line_is_refused_without_torch(tmp_path):
    words = ["runtime=onnx", str(BUILT_IN), str(tmp_path)]
    code = "import sys; from cytogenetics.karyotyping.karyotype_request import KaryotypeRequest as request\n"
    code += f"try: request.read({words}).open()\n"
    code += "except Exception as error: print(type(error).__name__, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["UserError", "False"]
