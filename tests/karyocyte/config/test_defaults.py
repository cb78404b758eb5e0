"""conf/ is the only place of a default."""

import pytest
from omegaconf import OmegaConf
from pydantic_core import to_jsonable_python

from karyocyte.common.errors import UserError
from karyocyte.config import data, schema
from karyocyte.config.base import StrictModel
from karyocyte.config.defaults import section_defaults
from karyocyte.runs.run import Run
from tests.helpers.training import small_config


def models():
    """The models of the schema that name a section of conf/."""
    classes = {kind for kind in [*vars(schema).values(), *vars(data).values()] if isinstance(kind, type)}
    models = [kind for kind in classes if issubclass(kind, StrictModel) and kind.defaults_section]
    return sorted(models, key=lambda model: model.__name__)


@pytest.mark.parametrize("model", models(), ids=lambda model: model.__name__)
def test_a_key_of_conf_has_no_default_in_the_schema_but_the_value_of_conf(model):
    defaults = section_defaults(model.defaults_section)
    inherited = model.__base__.model_fields
    for key, field in model.model_fields.items():
        assert key not in defaults or field.is_required() or key in inherited
    if issubclass(model, schema.TrainingConfig):  # needs a name, a data source and a model
        return
    made = model()
    assert made.model_fields_set & defaults.keys()
    for key in made.model_fields_set & defaults.keys():
        value = defaults[key]
        assert isinstance(value, dict) or to_jsonable_python(getattr(made, key)) == value


# Keys of earlier versions, and the values that are constants now.
FORMER = {
    "cache_features": "auto",
    "resume": "auto",
    "prepare": {"interpolation": "area", "frame": None},
    "split": {"near_duplicate_bits": 32, "link_subjects": True},
    "loss": {"class_weights": None},
    "scheduler": {"interval": "step"},
    "pretrained": {"missing": "stop"},
    "evaluation": {"interval": "logit_t", "triage": {"sensitivity": 0.99}},
    "unfreeze": {"stages": {"head": {"patience": None}}},
}


def test_a_run_of_an_earlier_version_may_have_keys_that_have_left_at_these_values_alone(tmp_path):
    config = small_config(tmp_path, "unfreeze=head_only")
    values = OmegaConf.to_container(OmegaConf.merge(config.model_dump(mode="json"), FORMER))
    Run(tmp_path).write_config(values)
    assert Run(tmp_path).config == config
    Run(tmp_path).write_config(values | {"resume": "never"})
    with pytest.raises(UserError, match="resume"):
        _ = Run(tmp_path).config
