"""Cells whose labels look wrong: whole classes are exchanged or shifted against confident predictions.

A network errs in single chromosomes, and the joint assignment of a cell exchanges two of them. A mistake of the person
who labelled a cell moves whole classes: all 9s are called 10 and all 10s are called 9, or every class from the 18 on
is one too high. A class counts as moved where all chromosomes of that label have one and the same other class in the
most probable karyotype of their cell. Moved classes that pass chromosomes on to one another form a chain. Its gain, in
nats, is by how much the images of its chromosomes are more probable with the predicted classes than with the labels;
the prior of karyotypes, by which a rare patient would be suspect, is no part of it.

A cell is suspect where a chain of at least CLASSES_MOVED classes and CHROMOSOMES_MOVED chromosomes gains GAIN.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from common.config.karyotype import KaryotypePriors
from common.karyotype import CHROMOSOMES
from common.predictions import Predictions
from evaluation.cytogenetics.cell_posteriors import cell_posteriors, chromosome_temperature, log_probabilities
from evaluation.intervals.pooling import pool

# If one cell in 1,000 is labelled wrongly, each of the 276 exchanges of two classes being as likely as any other, an
# exchange is as probable as correct labels where the images favour it by log(1,000 * 276) = 12.5 nats. Homologues look
# alike and a network errs in both together: two of them are taken for the evidence of one, which doubles that.
GAIN = 25.0
# Of each class of the chain by itself, log(20): no class is moved along by the certainty of others.
CLASS_GAIN = 3.0
CLASSES_MOVED = 2
# Two pairs. Less is what a network does: X and Y of a man, or a lone chromosome and its neighbour.
CHROMOSOMES_MOVED = 4
COLUMNS = ("case_id", "cell_id", "path", "label", "predicted", "probability", "label_probability", "moved")
OF_CELLS = ("cell_gain", "cell_chromosomes", "cell_moves")


@dataclass(frozen=True)
class SuspectCell:
    """A cell whose labels look wrong.

    Attributes:
        run: The number of the run that tested it.
        chromosomes: A row per chromosome of the cell: the columns of the predictions and ``predicted`` (class in the
            most probable karyotype), ``probability`` and ``label_probability`` (of the predicted and of the labelled
            class, given all chromosomes of the cell, 0 to 1) and ``moved`` (bool: its whole class is).
        moves: The new class of each moved class.
        gain: Of all suspect chains of the cell, in nats.
    """

    run: int
    chromosomes: pd.DataFrame
    moves: dict[str, str]
    gain: float

    @property
    def name(self) -> str:
        """The name of the cell."""
        return str(self.chromosomes["cell"].iloc[0])

    @property
    def affected(self) -> pd.DataFrame:
        """The rows of all chromosomes that are labelled or predicted as a class which is moved, or moved to."""
        classes = {*self.moves, *self.moves.values()}
        return self.chromosomes[self.chromosomes["label"].isin(classes) | self.chromosomes["predicted"].isin(classes)]

    def __str__(self) -> str:
        """Write the moves: "18>17 19>18"."""
        return " ".join(f"{label}>{predicted}" for label, predicted in self.moves.items())


def find_suspects(runs: Sequence[Predictions], priors: KaryotypePriors) -> list[SuspectCell]:
    """Find the test cells whose labels look wrong, those of the largest gain first.

    The runs are one or the folds of one experiment, each calibrated on its own validation cells; cells with a
    chromosome that has no label, and those that have no karyotype, are passed over.

    Raises:
        UserError: See ``cell_posteriors``; or the runs cannot be pooled.
    """
    pool(list(runs))
    suspects = []
    for number, run in enumerate(runs):
        cells = cell_posteriors(run, priors)
        test = run.part("test")
        logs = log_probabilities(test, chromosome_temperature(run))
        labels = pd.Index(CHROMOSOMES).get_indexer(test.frame["label"])
        for cell in cells:
            of_cell = labels[cell.rows]
            if cell.posterior is None or (of_cell < 0).any():
                continue
            assigned = cell.posterior.best.classes
            moves, gain = _suspect_moves(of_cell, assigned, logs[cell.rows])
            if moves:
                frame = test.frame.iloc[cell.rows].reset_index(drop=True)
                chromosomes = _chromosomes(frame, of_cell, assigned, cell.posterior.marginals, moves)
                named = {CHROMOSOMES[label]: CHROMOSOMES[predicted] for label, predicted in moves.items()}
                suspects.append(SuspectCell(number, chromosomes, named, gain))
    return sorted(suspects, key=lambda suspect: -suspect.gain)


def suspect_table(suspects: Sequence[SuspectCell]) -> pd.DataFrame:
    """Tabulate the chromosomes whose predicted class is not their label.

    Returns:
        A row per chromosome with COLUMNS, see ``SuspectCell`` (``moved`` is "yes" or "no"), and OF_CELLS, equal in all
        rows of a cell: its gain in nats, the number of its chromosomes in moved classes, and the moves.
    """
    tables = [pd.DataFrame(columns=[*COLUMNS, *OF_CELLS])]
    for suspect in suspects:
        chromosomes = suspect.chromosomes
        table = chromosomes[chromosomes["label"] != chromosomes["predicted"]]
        table = table.rename(columns={"subject": "case_id", "cell": "cell_id"})
        table = table.assign(
            moved=table["moved"].map({True: "yes", False: "no"}),
            cell_gain=suspect.gain,
            cell_chromosomes=int(chromosomes["moved"].sum()),
            cell_moves=str(suspect),
        )
        tables.append(table[[*COLUMNS, *OF_CELLS]])
    return pd.concat(tables[1:] or tables, ignore_index=True)


def _suspect_moves(labels: np.ndarray, assigned: np.ndarray, logs: np.ndarray) -> tuple[dict[int, int], float]:
    """Return the moves of all suspect chains of a cell by class, {} where there is none, and what they gain."""
    moves = {}
    gains = {}
    for kind in np.unique(labels):
        rows = np.flatnonzero(labels == kind)
        others = np.unique(assigned[rows])
        if len(others) > 1 or others[0] == kind:
            continue
        gain = float((logs[rows, others[0]] - logs[rows, kind]).sum())
        if gain >= CLASS_GAIN:
            moves[int(kind)] = int(others[0])
            gains[int(kind)] = gain
    suspect: dict[int, int] = {}
    for chain in _chains(moves):
        chromosomes = np.isin(labels, chain).sum()
        gain = sum(gains[kind] for kind in chain)
        if len(chain) >= CLASSES_MOVED and chromosomes >= CHROMOSOMES_MOVED and gain >= GAIN:
            suspect |= {kind: moves[kind] for kind in chain}
    return suspect, sum(gains[kind] for kind in suspect)


def _chains(moves: dict[int, int]) -> list[list[int]]:
    """Return the moved classes of each chain."""
    size = len(CHROMOSOMES)
    links = coo_array((np.ones(len(moves)), ([*moves], [*moves.values()])), shape=(size, size))
    _, chain_of = connected_components(links, directed=False)
    chains: dict[int, list[int]] = {}
    for kind in moves:
        chains.setdefault(int(chain_of[kind]), []).append(kind)
    return list(chains.values())


def _chromosomes(
    frame: pd.DataFrame, labels: np.ndarray, assigned: np.ndarray, marginals: np.ndarray, moves: dict[int, int]
) -> pd.DataFrame:
    rows = np.arange(len(frame))
    return frame.assign(
        predicted=np.array(CHROMOSOMES, dtype=object)[assigned],
        probability=marginals[rows, assigned],
        label_probability=marginals[rows, labels],
        moved=np.isin(labels, [*moves]),
    )
