"""What the server of forked processes does once for all of them: imports, and the files of conf/ that are parsed."""

import gc
from importlib import import_module

from tests.compositions import quick_compositions
from tests.helpers.training import SMALL, composed

# What commands import when they are called; for some an extra may be missing.
MODULES = (
    "karyocyte.workflows.explain.explain_runs",
    "karyocyte.workflows.export.export_model",
    "cytogenetics.karyotyping.karyotype_cells",
    "karyocyte.workflows.prediction.predict_images",
    "karyocyte.workflows.prepare_data",
    "karyocyte.workflows.report.page",
    "cytogenetics.review.server",
    "karyocyte.workflows.sweeps.collect",
    "lightning_modules.prediction.mc_dropout",
    "pyarrow.dataset",
    "reproduction.run",
    "sklearn.covariance",
    "tests.karyocyte.workflows.training.interrupted_run",
    "tests.lightning_modules.pair",
    "uvicorn",
)
OURS = ("datamodules", "karyocyte", "lightning_modules", "reproduction", "tests")

for name in MODULES:
    try:
        import_module(name)
    except ModuleNotFoundError as error:  # of an extra
        if str(error.name).split(".")[0] in OURS:
            raise
QUICK = quick_compositions()  # for as long as this name exists
QUICK.__enter__()
composed(SMALL)
gc.freeze()  # no collection of a fork goes through all that is imported
