"""The stages that docs/explanation/staged_unfreezing.md writes in YAML train what the page says."""

import re

import yaml

from common.config.schema import UnfreezeConfig
from common.paths import ROOT
from lightning_modules.classifier import Classifier

PAGE = (ROOT / "docs" / "explanation" / "staged_unfreezing.md").read_text(encoding="utf-8")


def test_own_stages_train_as_many_parameters_as_printed():
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    stages = UnfreezeConfig.model_validate(yaml.safe_load(text)["unfreeze"]).stages
    model = Classifier.create("resnet18", num_classes=2, image_size=80)
    lines = []
    for number, (name, stage) in enumerate(stages.items(), start=1):
        model.configure_stage(stage)
        trainable, total = model.count_parameters()
        modules = ", ".join(["head", *stage.train])
        lines.append(f"stage {number}, {name}: {modules}; {trainable:,} of {total:,} parameters train\n")
    assert f"```text\n{''.join(lines)}```" in PAGE
