"""conf/ is the only place of a default."""

import pytest
from pydantic_core import to_jsonable_python

from karyocyte.config import data, schema
from karyocyte.config.base import StrictModel
from karyocyte.config.defaults import section_defaults


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
