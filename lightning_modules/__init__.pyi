# What editors and type checkers see of the package, whose names are imported at their first use.
from lightning_modules.build.create import create_classifier as create_classifier
from lightning_modules.callbacks.staged_unfreezing import Stage as Stage
from lightning_modules.callbacks.staged_unfreezing import StagedUnfreezing as StagedUnfreezing
from lightning_modules.modules.classifier import Classifier as Classifier
