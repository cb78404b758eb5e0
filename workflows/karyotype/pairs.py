"""The homologues of a cell's pairs, compared by a run of +experiment=homologue_pairs."""

from concurrent.futures import Executor
from dataclasses import dataclass, field

import numpy as np
import torch

from common.config.karyotype import PairAlarms
from common.errors import UserError
from common.karyotype import CHROMOSOMES
from common.runs.run import Run
from datamodules.homologues.cell_pairs import CellPairs, NamedCell, prepare_pairs
from datamodules.homologues.changes import KINDS as CHANGES
from datamodules.homologues.changes import NULLS
from datamodules.homologues.pair_picture import draw_pair
from datamodules.synthesis.ideogram import IDEOGRAM
from evaluation.cytogenetics.pairs import NormalScores, PairFinding, threshold_of
from lightning_modules.load import load_pair_run
from lightning_modules.networks.homologue_comparison import Compared
from lightning_modules.pair_classifier import KINDS
from workflows.karyotype.predictor import AUTOCAST

SHOWN = 5  # suspect pairs of a cell that are drawn


@dataclass(frozen=True, eq=False)
class ComparedPairs:
    """What was found of the pairs of one cell.

    Attributes:
        findings: A row per pair, in the order of CHROMOSOMES.
        pictures: Of the most suspect ones, by their chromosome, uint8 RGB.
    """

    findings: tuple[PairFinding, ...] = ()
    pictures: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def suspects(self) -> list[PairFinding]:
        """The suspect pairs, the most unusual first."""
        return sorted((one for one in self.findings if one.suspect), key=lambda one: (one.p_value, -one.score))


class PairComparer:
    """Compares the homologues of cells.

    Args:
        run: A finished run that compares homologues.
        alarms: When a pair is suspect.

    Attributes:
        config: The configuration of the run.
        note: What is to be known of the comparison, a sentence.
        warnings: What limits it, in sentences.
    """

    def __init__(self, run: Run, alarms: PairAlarms) -> None:
        trained = load_pair_run(run.folder)
        self.config = trained.config
        self._alarms = alarms
        self._normal = normal_scores(run, alarms.own_scores)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        trainer = trained.config.trainer
        layout = torch.channels_last if trainer.channels_last else torch.contiguous_format
        self._model = trained.classifier.to(self._device, memory_format=layout)
        self._autocast = AUTOCAST.get(str(trainer.precision))
        self.note = (
            f"Homologues are compared by {run.folder}. A pair is structurally suspect where few normal pairs have so "
            f"high a score: about {100 * alarms.alarm:g} % of normal cells have a suspect pair. The probability of a "
            "rearrangement is that among pairs half of which have one."
        )
        self.warnings = []
        threshold = threshold_of(alarms.alarm, len(CHROMOSOMES) - 1)
        if self._normal.least > threshold:
            self.warnings.append(
                f"no pair can be suspect: the p-values of {run.folder} are at least {self._normal.least:.2g}, "
                f"pairs.alarm={alarms.alarm:g} asks for {threshold:.2g}: set it higher"
            )

    def compare(self, cell: NamedCell, pool: Executor) -> ComparedPairs:
        """Compare the homologues of each class of a cell that has exactly two chromosomes."""
        pairs = prepare_pairs(cell, self.config, pool)
        if pairs is None:
            return ComparedPairs()
        compared = self._compared(pairs)
        threshold = threshold_of(self._alarms.alarm, len(pairs.files))
        findings = []
        for row in range(len(pairs.files)):
            names = [cell.files[number].file.name for number in pairs.files[row]]
            findings.append(self._finding(pairs, compared, row, (names[0], names[1]), threshold))
        found = ComparedPairs(tuple(findings))
        pictures = {}
        place = torch.sigmoid(compared.place).numpy()
        for finding in found.suspects[:SHOWN]:
            row = findings.index(finding)
            short_arm = IDEOGRAM[finding.chromosome].short_arm
            pictures[finding.chromosome] = draw_pair(pairs.image[row].numpy(), pairs.length[row], place[row], short_arm)
        return ComparedPairs(found.findings, pictures)

    def _compared(self, pairs: CellPairs) -> Compared:
        image = pairs.image.to(self._device)
        chromosome = torch.from_numpy(pairs.chromosome).to(self._device)
        autocast = torch.autocast(self._device.type, self._autocast, enabled=self._autocast is not None)
        with torch.inference_mode(), autocast:
            compared = self._model.compare(image, chromosome)
        return Compared(*(values.float().cpu() for values in compared))

    def _finding(
        self, pairs: CellPairs, compared: Compared, row: int, files: tuple[str, str], threshold: float
    ) -> PairFinding:
        chromosome = CHROMOSOMES[pairs.chromosome[row]]
        score = float(compared.abnormal[row])
        p_value = self._normal.p_value(chromosome, score)
        kinds = torch.softmax(compared.kind[row], dim=0)
        kind = int(kinds.argmax())
        first = float(torch.sigmoid(compared.which[row]))
        rearranged = 0 if first >= 0.5 else 1
        other = 1 - rearranged
        place = place_of(compared.place[row, other].numpy(), pairs.length[row, other], pairs.image.shape[2])
        return PairFinding(
            chromosome=chromosome,
            files=files,
            score=score,
            p_value=p_value,
            suspect=p_value <= threshold,
            kind=KINDS[kind],
            kind_probability=float(kinds[kind]),
            rearranged=rearranged,
            rearranged_probability=max(first, 1 - first),
            place=place,
            arm="p" if place < IDEOGRAM[chromosome].short_arm else "q",
        )


def normal_scores(run: Run, own: int) -> NormalScores:
    """Return the scores of the normal validation pairs of a run.

    Raises:
        UserError: It has none.
    """
    pairs = run.pairs
    normal = pairs[(pairs["part"] == "validation") & pairs["kind"].isin(CHANGES[:NULLS])]
    if normal.empty:
        raise UserError(f"{run.folder} has no validation pairs to compare with: train it with split.validation=0.05")
    return NormalScores.of(normal, own)


def place_of(tokens: np.ndarray, length: float, height: int) -> float:
    """Return the most probable place on a chromosome in the middle of its image: share of its length, 0 to 1.

    Args:
        tokens: Log-odds of rows of equal height, shape (T,).
        length: Rows that the chromosome covers.
        height: Of the image, in rows.
    """
    middles = (np.arange(len(tokens)) + 0.5) * height / len(tokens)
    share = (middles - (height - length) / 2) / max(length, 1.0)
    inside = (share >= 0) & (share <= 1)
    if not inside.any():
        return 0.5
    return float(share[inside][tokens[inside].argmax()])
