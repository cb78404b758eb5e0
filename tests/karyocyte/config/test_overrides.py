"""Text on a command line that Hydra would read as something else."""

import shlex

import pytest

from karyocyte.common.errors import UserError
from karyocyte.composition.compose import compose_config
from karyocyte.composition.grid import job_configs
from karyocyte.config.overrides import quote_text, typed_names


def test_a_key_of_hydra_without_effect_is_refused():
    with pytest.raises(UserError, match="hydra.run.dir=x has no effect"):
        compose_config(["hydra.run.dir=x"])


def test_only_text_that_hydra_reads_as_something_else_is_quoted():
    assert quote_text("init_from=outputs/a/seed=0") == 'init_from="outputs/a/seed=0"'
    assert quote_text("init_from=a/seed=0,b/seed=0") == 'init_from="a/seed=0","b/seed=0"'
    assert quote_text("data.subject_regex=s([0-9]{1,3})_") == 'data.subject_regex="s([0-9]{1,3})_"'
    for argument in ("init_from=outputs/a", 'init_from="a=b"', "model.args={a: b=c}", "seed=1", "train.py", "name=1"):
        assert quote_text(argument) == argument


@pytest.mark.parametrize("name", ["true", "FALSE", "1e3", "1_0", "1.0", "nan", "a=b", "a+b", "ä", "[a]", "a (b)"])
def test_names_are_taken_as_they_are_typed(name):
    config = compose_config(["data=table", "data_dir=x", f"data.positive_class={name}", f"data.label_column={name}"])
    assert (config.data.positive_class, config.data.label_column) == (name, name)


def test_null_is_none_but_in_a_list_of_classes():
    config = compose_config(["data=folder", "data_dir=x", "data.positive_class=null", "data.classes=[null,true,1e3]"])
    assert (config.data.positive_class, config.data.classes) == (None, ("null", "true", "1e3"))


def test_a_folder_with_a_comma_in_its_name_is_one_folder(tmp_path, monkeypatch):
    (tmp_path / "a,b").mkdir()
    monkeypatch.chdir(tmp_path)
    assert compose_config(["data=folder", "data_dir=a,b"]).data_dir == "a,b"
    (config,) = job_configs(["data=folder", "data_dir=a,b"])
    assert config.data_dir == "a,b"


@pytest.mark.parametrize("names", [("a, b", "null", "1e3"), ("a", "true"), ("x=y", "b c"), ('q"q', "ü"), ("1e3", "b")])
def test_a_list_of_names_that_a_message_shows_can_be_typed(names):
    (word,) = shlex.split(typed_names("data.classes", names))
    assert compose_config(["data=folder", "data_dir=x", "data.positive_class=null", word]).data.classes == names
