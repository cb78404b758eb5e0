"""The keys of an ensemble: their file says all of them, and a mistyped one is named."""

import pytest
import yaml

from common.config.ensemble import FILE, EnsembleConfig, load_ensemble_config
from common.errors import UserError


def test_the_file_has_every_key_with_its_default():
    assert load_ensemble_config() == EnsembleConfig()
    expected = EnsembleConfig().model_dump(mode="json")
    for group, keys in yaml.safe_load(FILE.read_text()).items():
        assert list(keys) == list(expected.pop(group))
    assert expected == {}


def test_what_the_paper_leaves_open_is_marked():
    of_genetic = FILE.read_text().partition("objective")[0].splitlines()
    keys = [line for line in of_genetic if line.startswith("  ") and not line.strip().startswith("#")]
    assert sum("# ours" in line for line in keys) >= 7


def test_overrides_are_read_as_yaml():
    config = load_ensemble_config(["genetic.population=7", "stacking.strengths=[0.5,2]", "cma.objective=nll"])
    assert (config.genetic.population, config.stacking.strengths, config.cma.objective) == (7, (0.5, 2.0), "nll")
    assert config.differential == EnsembleConfig().differential


def test_a_key_without_a_group_is_the_methods_own():
    assert load_ensemble_config(["population=7"], "genetic").genetic.population == 7
    assert load_ensemble_config(["population=7"], "cma").cma.population == 7
    assert load_ensemble_config(["cma.population=7"], "genetic").cma.population == 7


@pytest.mark.parametrize(
    ("override", "method", "message"),
    [
        ("popultion=3", "genetic", "unknown key genetic.popultion: did you mean genetic.population"),
        ("population=3", "average", "unknown key population"),
        ("genetic.population=many", None, r"genetic.population: .* valid integer"),
        ("genetic.elites=100", None, "genetic: elites=100 leave no place for children in a population of 100"),
        ("cma.evaluations=10", None, "cma: evaluations=10: a population of 20 needs more of them"),
        ("greedy.start=60", None, "start=60 members are taken at once, of only rounds=50"),
        ("genetic=3", None, "genetic"),
        ("genetic.population=[", None, r"genetic.population=\["),
    ],
)
def test_a_wrong_override_is_one_line(override, method, message):
    with pytest.raises(UserError, match=message) as caught:
        load_ensemble_config([override], method)
    assert "\n" not in str(caught.value)
