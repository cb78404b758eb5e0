"""What cells add to an evaluation; the code of both sections is loaded where they are called."""

from collections.abc import Sequence

from cytogenetics.cells.assigned import AssignmentResult, show_assignment, show_referral
from cytogenetics.cells.assignment import refusal
from pydantic import TypeAdapter

from karyocyte.evaluation.pooling.added_sections import AddedSection
from karyocyte.evaluation.pooling.labelled_runs import LabelledRuns
from karyocyte.evaluation.pooling.sections import Findings
from karyocyte.evaluation.types.result import EvaluationResult, Interval
from karyocyte.runs.predictions import Predictions


def _assignment(runs: LabelledRuns, result: EvaluationResult) -> Findings:
    from cytogenetics.cells import cell_metrics

    return cell_metrics.assignment(runs, result)


def _referral(runs: LabelledRuns, result: EvaluationResult) -> Findings:
    from cytogenetics.cells import cell_referral

    return cell_referral.cell_referral(runs, result)


def _fits(runs: Sequence[Predictions]) -> bool:
    return refusal(*runs) is None


ASSIGNMENT = AddedSection(
    findings=_assignment,
    read=TypeAdapter(dict[str, AssignmentResult]).validate_python,
    fits=_fits,
    show=show_assignment,
)
CELL_REFERRAL = AddedSection(
    findings=_referral,
    read=TypeAdapter(dict[str, dict[str, Interval]]).validate_python,
    fits=_fits,
    show=show_referral,
)
