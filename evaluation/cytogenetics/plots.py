"""The figure of the probabilities of karyotypes: reliability, and wrong karyotypes against referred cells."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter
from scipy.stats import beta

from evaluation.core.plots import COLOURS, canvas


def draw_referral(path: Path, cells: pd.DataFrame, reliability: pd.DataFrame, about: dict[str, Any]) -> None:
    """Draw the tables of `evaluation.cytogenetics.referral` to a PNG."""
    with canvas(path, (11.4, 4.8), about) as figure:
        left, right = figure.subplots(1, 2)
        _reliability(left, reliability)
        _referral(right, cells)


def _reliability(axis: Axes, table: pd.DataFrame) -> None:
    bins = np.arange(len(table))
    names = [f"{row.above:g} to\n{row.up_to:g}\n({row.cells:,})" for row in table.itertuples()]
    heights = table["correct"].to_numpy()
    errors = [heights - table["low"].to_numpy(), table["high"].to_numpy() - heights]
    axis.bar(bins, heights, color=COLOURS[0], alpha=0.75, label="correct, exact 95 % interval")
    axis.errorbar(bins, heights, yerr=np.maximum(errors, 0.0), fmt="none", color="#444444", capsize=3)
    axis.plot(bins, table["probability"], "D", color=COLOURS[1], label="mean probability")
    axis.set_xticks(bins, names, fontsize=8)
    axis.set(
        ylim=(0, 1.3), xlabel="probability of the most probable karyotype (cells)", ylabel="karyotypes that are correct"
    )
    axis.set_yticks(np.linspace(0, 1, 6))
    axis.legend(loc="upper left", ncols=2)


def _referral(axis: Axes, cells: pd.DataFrame) -> None:
    ordered = cells.sort_values(["probability", "correct"], ascending=[True, False], kind="stable")
    wrong = ~ordered["correct"].to_numpy(bool)
    referred = np.arange(len(wrong)) / len(wrong)
    left = len(wrong) - np.arange(len(wrong))
    errors = wrong[::-1].cumsum()[::-1]
    highest = np.where(errors < left, beta.ppf(0.975, errors + 1, np.maximum(left - errors, 1)), 1.0)
    lowest = np.where(errors > 0, beta.ppf(0.025, np.maximum(errors, 1), left - errors + 1), 0.0)
    axis.fill_between(referred, lowest, highest, color=COLOURS[0], alpha=0.2, step="post", label="exact 95 % interval")
    axis.step(referred, errors / left, where="post", color=COLOURS[0], label="wrong among the rest")
    axis.axvline(0.05, color="#777777", linestyle="--", linewidth=1)
    axis.set(xlim=(0, 0.3), xlabel="cells referred to an expert, the least probable first")
    axis.set(ylim=(0, max(0.02, 1.5 * highest[0])), ylabel="wrong karyotypes among the rest")
    axis.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axis.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axis.legend(loc="upper right")
