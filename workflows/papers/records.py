"""The records of a reproduction: which steps have ended, with which inputs, and what they took."""

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import read_whole_json, write_json
from workflows.papers.plan import Plan, Step

RECORD = "steps.json"


@dataclass(frozen=True)
class StepRecord:
    """How a step ended.

    Attributes:
        line: The command.
        inputs: A hash of the runs that it read, 64 hex digits.
        code: Its exit code; None where it has not ended.
        seconds: Wall time of all calls.
        cpu_seconds: Processor time of it and its children, in all calls.
        memory_gib: The largest memory of one of its processes.
    """

    line: str
    inputs: str
    code: int | None = None
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    memory_gib: float = 0.0


class Records:
    """The records of the steps of one plan by name, in steps.json of its output folder.

    Raises:
        UserError: The folder is of a plan with other settings.
    """

    def __init__(self, plan: Plan) -> None:
        self.path = plan.output / RECORD
        self.folders = plan.folders
        self.settings = settings_of(plan)
        content = read_whole_json(self.path)
        _check_settings(content.get("settings", self.settings), self.settings, plan.output)
        self.steps = {name: StepRecord(**record) for name, record in content.get("steps", {}).items()}

    def is_done(self, step: Step, inputs: str) -> bool:
        """Whether the step has ended well with the same inputs, and what it made is there."""
        record = self.steps.get(step.name)
        if record is None or step.makes is None:
            return False
        return (record.line, record.inputs, record.code) == (step.line, inputs, 0) and step.makes.exists()

    def add(self, step: Step, record: StepRecord) -> None:
        """Keep how a step began or ended."""
        self.steps[step.name] = record
        steps = {name: asdict(record) for name, record in self.steps.items()}
        write_json(self.path, {"settings": self.settings, "steps": steps})

    def discard_result(self, step: Step) -> None:
        """Remove what an earlier call of the step made.

        Raises:
            UserError: Something is there that no step has made.
        """
        if step.makes is None or not step.makes.exists():
            return
        if step.name not in self.steps:
            raise UserError(f"{step.makes} exists and no step has made it: move it away, or name a new --output")
        if step.makes.is_dir():
            shutil.rmtree(step.makes)
        else:
            step.makes.unlink()


def settings_of(plan: Plan) -> dict[str, Any]:
    """Return what tells one reproduction from another, but for where its jobs run."""
    splits = {split.name: list(split.folds) for split in plan.splits}
    jobs = {"experiments": list(plan.experiments), "words": list(plan.job_words), "seeds": list(plan.seeds)}
    return {"paper": plan.paper, **jobs, "folds": splits}


def _check_settings(made_with: dict[str, Any], asked: dict[str, Any], output: Path) -> None:
    """Refuse settings other than those that a folder was made with, whatever their order."""
    old, new = _facts(made_with), _facts(asked)
    differences = [f"{fact} is new" for fact in new if fact not in old]
    differences += [f"{fact} is missing" for fact in old if fact not in new]
    if differences:
        raise UserError(f"{output} was made with other settings ({'; '.join(differences)}): name a new --output")


def _facts(settings: dict[str, Any]) -> list[str]:
    """Return the settings as single words, such as "seed=0"."""
    jobs = [f"+experiment={name}" for name in settings["experiments"]] + list(settings["words"])
    seeds = [f"seed={seed}" for seed in settings["seeds"]]
    folds = [f"fold {fold} of the {split} split" for split, several in settings["folds"].items() for fold in several]
    return [f"paper {settings['paper']}", *jobs, *seeds, *folds]
