"""What every test starts with."""

import gc
import os
import signal
import sys
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings

from karyocyte.common import checksums
from tests import compositions

# A fault that one example of ten shows is found with a probability of 0.93; the default of 100 takes a minute longer.
# No example has a deadline, which a loaded machine misses.
settings.register_profile("suite", max_examples=25, deadline=None)
settings.load_profile("suite")

# The files that take longest come first: at the end no worker has one of them left while the others have nothing to do.
LONGEST = (
    "tutorials/test_tutorials.py", "karyocyte/workflows/training/test_resume.py", "commands/test_karyotype.py",
    "hydra_plugins/test_launcher.py", "docs/test_extending.py", "test_smoke.py", "training/test_two_processes.py",
)  # fmt: skip

LARGE_LAYER = 10_000_000  # weights


def pytest_configure(config):
    """Keep what tests prepare out of the user's cache."""
    folder = TemporaryDirectory(prefix="karyocyte-cache-")
    config.add_cleanup(folder.cleanup)
    os.environ["KARYOCYTE_CACHE_DIR"] = folder.name


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: not str(item.path).endswith(LONGEST))


def pytest_collection_finish():
    """Let collections of garbage be few and leave out what is imported and collected, which is never garbage."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)  # the first one is ten times that of Python


@pytest.fixture(scope="session", autouse=True)
def heed_ctrl_c():
    """Let Ctrl-C be heard, which a shell makes what it starts in the background ignore: some tests send it."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def quick_compositions():
    """Parse each file of conf/ once a process: a thousand compositions read the same files."""
    with compositions.quick_compositions():
        yield


@pytest.fixture(autouse=True)
def settings_of_process():
    """Undo what a command before has set for the whole process, but for what makes networks faster to build.

    Hypothesis draws no subnormal floats where they are flushed. With deterministic algorithms, which every check of a
    configuration asks for, torch would fill new tensors, hundreds of megabytes of a VGG16; our commands forbid it too.
    """
    checksums.Checksums.accepting = False
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)
        sys.modules["torch"].utils.deterministic.fill_uninitialized_memory = False


@pytest.fixture
def saved_figures(monkeypatch):
    """The figures that are saved to files, so that a test can ask for what is on them; no two lines look the same."""
    from matplotlib.figure import Figure

    figures = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **k: (figures.append(self), save(self, *a, **k)))
    yield figures
    for axis in (axis for figure in figures for axis in figure.axes):
        looks = {}
        for line in (line for line in axis.lines if not line.get_label().startswith("_")):
            look = (line.get_color(), line.get_linestyle(), line.get_marker())
            assert looks.setdefault(look, line.get_label()) == line.get_label()


@pytest.fixture(scope="module")
def blank_figures():
    """Leave the figures empty that a module saves: their own tests look at them, and drawing takes most of the time."""
    from matplotlib.figure import Figure

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", lambda *arguments, **options: None)
        yield


@pytest.fixture
def undrawn_layers(monkeypatch):
    """Leave layers of ten million weights undrawn, which takes most of the time of a test that asks for no weights.

    They are the dense layers of VGG16 and AlexNet, which no features pass through.
    """
    import torch

    def leave_out(draw):
        def draw_small(self, *arguments, **options):
            if self.numel() < LARGE_LAYER:
                return draw(self, *arguments, **options)
            self.view(-1)[0] = 1  # not all alike, as drawn ones are not
            return self

        return draw_small

    for name in ("uniform_", "normal_"):
        monkeypatch.setattr(torch.Tensor, name, leave_out(getattr(torch.Tensor, name)))


@pytest.fixture
def hub_cache(tmp_path, monkeypatch):
    """An empty Hugging Face cache, and no hub."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


@pytest.fixture
def every_epoch_saved(monkeypatch):
    """Save the state for a resume at the end of every epoch, however short: a test knows then where it goes on."""
    monkeypatch.setattr("lightning_modules.callbacks.resume.SHARE", 1e9)
