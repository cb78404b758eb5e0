"""The figure of selective prediction: the errors that remain where a person sees the least certain images.

Geifman, Uziel and El-Yaniv, Bias-Reduced Uncertainty Estimation for Deep Neural Classifiers, 2019.
"""

from pathlib import Path

import numpy as np
from matplotlib.ticker import PercentFormatter

from karyocyte.evaluation.plots.plots import COLOURS, canvas
from karyocyte.evaluation.referral.choices import ends_of_ties
from karyocyte.evaluation.types.result import EvaluationResult


def write_risk_coverage(path: Path, result: EvaluationResult, confidence: np.ndarray, wrong: np.ndarray) -> None:
    """Draw the error rate of the most confident images over their share to a PNG.

    Arguments are the confidence of each test image, float, shape (N,), and whether its prediction is wrong, bool.
    """
    order = np.argsort(-confidence, kind="stable")
    ends = np.flatnonzero(ends_of_ties(confidence[order]))  # equal probabilities have no order
    risk = wrong[order].cumsum()[ends] / (ends + 1)
    with canvas(path, (7.6, 5.0), result.about) as figure:
        axis = figure.subplots()
        axis.plot((ends + 1) / len(wrong), risk, color=COLOURS[0])
        axis.set_xlim(0, 1.02)
        axis.set_ylim(bottom=min(0, axis.get_ylim()[0]))
        axis.xaxis.set_major_formatter(PercentFormatter(1))
        axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=1))
        axis.set_xlabel(f"coverage: share of the {len(wrong):,} test images decided alone, the most confident first")
        axis.set_ylabel("risk: error rate among them")
