#!/usr/bin/env bash
# Make the virtual environment and install the exact set of constraints.txt. Called by `make setup`.
set -euo pipefail
python=${PYTHON:-python3}
venv=${VENV:-.venv}
backend=${TORCH_BACKEND:-}
packages="--editable packages/cytogenetics --editable packages/reproduction"
read -ra editable <<<"--editable . ${PACKAGES-$packages}" # PACKAGES="" installs the core alone

command -v "$python" >/dev/null || { echo "error: no $python on the PATH: install Python 3.11, or say make PYTHON=..." >&2; exit 1; }
"$python" -c '' || { echo "error: $python is on the PATH but does not run: say make setup PYTHON=..." >&2; exit 1; }
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "error: $("$python" --version) is too old: Karyocyte needs Python 3.11 or newer (make PYTHON=python3.11)" >&2
    exit 1
}
# An installation here would re-point the packages of an environment that another checkout uses.
owner=$("$venv/bin/python" -I - 2>/dev/null <<'PY' || true
import json
from importlib.metadata import distribution

print(json.loads(distribution("karyocyte").read_text("direct_url.json"))["url"].removeprefix("file://"))
PY
)
if [ -d "$owner" ] && [ "$(realpath "$owner")" != "$(realpath .)" ]; then
    echo "error: $venv is the environment of $owner: remove it if it is a link, or say make setup VENV=<another folder>" >&2
    exit 1
fi
uv=""
uv --version >/dev/null 2>&1 && uv=uv # a shim on the PATH need not run
if ! "$venv/bin/python" -c '' 2>/dev/null || { [ -z "$uv" ] && ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; }; then
    "$python" -m venv --clear "$venv" || {
        rm -rf "$venv"
        echo "error: $python cannot make a virtual environment (on Debian: apt-get install python3-venv)" >&2
        exit 1
    }
fi
if [ -z "$uv" ]; then
    # uv installs the set in seconds where pip takes minutes; it is itself a package.
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check uv && uv="$venv/bin/uv"
fi

if [ -n "$uv" ]; then
    echo "installing with uv${backend:+ (torch backend $backend)}: about 6 GB with CUDA, less with TORCH_BACKEND=cpu ..."
    quiet="--quiet"
    [ ! -t 2 ] || quiet="" # on a terminal uv shows what it downloads
    # The pins of constraints.txt carry no build tag such as +cpu, so another backend may choose its own build of them.
    "$uv" pip install $quiet --python "$venv/bin/python" --constraint constraints.txt --build-constraint constraints.txt \
        ${backend:+--torch-backend "$backend"} "${editable[@]}" --group dev || {
        [ -z "$backend" ] || echo "error: the packages for TORCH_BACKEND=$backend are unavailable: leave it empty for the platform's default" >&2
        exit 1
    }
else
    [ -z "$backend" ] || { echo "error: TORCH_BACKEND needs uv, which cannot be had here: leave it empty" >&2; exit 1; }
    echo "uv cannot be had: installing with pip (some minutes) ..."
    # Not every pip reads groups from pyproject.toml.
    "$venv/bin/python" - <<'PY' >"$venv/requirements.txt"
import tomllib

print("\n".join(tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]["dev"]))
PY
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
        --constraint constraints.txt "${editable[@]}" --requirement "$venv/requirements.txt" || {
        echo "error: pip could not install the packages of constraints.txt: see above" >&2
        exit 1
    }
fi
# Compile what every job imports, once: uv leaves that to the first import, which may not write (a container, a node of a
# cluster, PYTHONDONTWRITEBYTECODE), and a job's start then takes more than twice as long.
PYTHONDONTWRITEBYTECODE="" "$venv/bin/python" - <<'PY'
import albumentations, hydra, pandas, pytorch_lightning, sklearn.model_selection, timm, torch, torchvision
import torch.utils.tensorboard

print("ready: torch", torch.__version__, "cuda" if torch.cuda.is_available() else "cpu")
PY
