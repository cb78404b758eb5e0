import pytest
from omegaconf import OmegaConf

from common.config.cluster import LocalConfig, SlurmConfig, check_cluster
from common.config.compose import check_config
from common.errors import UserError
from tests.helpers.training import SMALL, composed


@pytest.mark.parametrize(("name", "kind"), [("local", LocalConfig), ("slurm", SlurmConfig)])
def test_conf_has_exactly_the_keys_of_the_schema(name, kind):
    values = OmegaConf.to_container(composed([f"+cluster={name}", *SMALL]).cluster, resolve=True)
    assert isinstance(check_cluster(values), kind)
    assert set(values) == set(kind.model_fields)


def test_nodes_and_tasks_are_those_of_the_training():
    whole = composed(["+cluster=slurm", *SMALL, "trainer.num_nodes=4", "trainer.devices=8"])
    cluster = check_cluster(OmegaConf.to_container(whole.cluster, resolve=True))
    assert (cluster.nodes, cluster.tasks_per_node, cluster.gpus_per_node) == (4, 8, 8)


def test_where_a_run_is_trained_is_no_part_of_its_configuration():
    assert not hasattr(check_config(composed(["+cluster=slurm", *SMALL])), "cluster")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "slurm", "partion": "gpu"}, "unknown key cluster.partion: did you mean cluster.partition"),
        ({"name": "slurm", "nodes": 0}, r"cluster\.nodes: .*got 0"),
        ({"name": "pbs"}, "cluster.name: 'pbs' is neither local nor slurm"),
        ({"name": "local", "jobs": "many"}, r"cluster\.jobs"),
    ],
)
def test_what_is_wrong_is_named_by_its_key(values, message):
    with pytest.raises(UserError, match=message):
        check_cluster(values)
