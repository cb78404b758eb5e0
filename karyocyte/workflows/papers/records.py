"""The records of a reproduction: which steps have ended, with which inputs, and what they took."""

import shutil
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from karyocyte.common.errors import UserError
from karyocyte.common.files import read_whole_json, write_json
from karyocyte.workflows.papers.plan import ReproductionPlan, Step

RECORD = "steps.json"


@dataclass(frozen=True)
class StepRecord:
    """How a step ended: command, hash of the runs that it read, exit code (None: not ended), wall time of all calls."""

    line: str
    inputs: str
    code: int | None = None
    seconds: float = 0.0


_STEPS = TypeAdapter(dict[str, StepRecord])


class Records:
    """The records of the steps of one plan by name, in steps.json of its output folder.

    A ``UserError`` says that the folder is of a plan with other settings.
    """

    def __init__(self, plan: ReproductionPlan) -> None:
        self.path = plan.output / RECORD
        self.settings: dict[str, Any] = {  # what tells one reproduction from another, but for where its jobs run
            "paper": plan.paper,
            "experiments": list(plan.experiments),
            "words": sorted(plan.job_words),
            "seeds": list(plan.seeds),
            "folds": {split.name: list(split.folds) for split in plan.splits},
        }
        content = read_whole_json(self.path)
        self.steps = _STEPS.validate_python(content.get("steps", {}))
        made_with = content.get("settings", self.settings)
        for key, value in self.settings.items():
            if made_with[key] != value:
                made = f"{plan.output} was made with other settings ({key} {made_with[key]})"
                raise UserError(f"{made}: name a new --output")

    def is_done(self, step: Step, inputs: str) -> bool:
        """Whether the step has ended well with the same inputs, and what it made is there."""
        record = self.steps.get(step.name)
        if record is None or step.makes is None:
            return False
        return (record.line, record.inputs, record.code) == (step.line, inputs, 0) and step.makes.exists()

    def add(self, step: Step, record: StepRecord) -> None:
        """Keep how a step began or ended."""
        self.steps[step.name] = record
        write_json(self.path, {"settings": self.settings, "steps": _STEPS.dump_python(self.steps)})

    def discard_result(self, step: Step) -> None:
        """Remove what an earlier call of the step made; a ``UserError`` says that no step has made what is there."""
        if step.makes is None or not step.makes.exists():
            return
        if step.name not in self.steps:
            raise UserError(f"{step.makes} exists and no step has made it: move it away, or name a new --output")
        if step.makes.is_dir():
            shutil.rmtree(step.makes)
        else:
            step.makes.unlink()
