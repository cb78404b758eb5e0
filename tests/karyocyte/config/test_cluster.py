import pytest
from omegaconf import OmegaConf

from karyocyte.common.errors import UserError
from karyocyte.composition.compose import check_config, compose_overrides
from karyocyte.composition.grid import job_configs
from karyocyte.config.cluster import LocalConfig, SlurmConfig, check_cluster, set_trainer
from karyocyte.runs.address import run_identity
from karyocyte.workflows.sweeps.slurm import sbatch_options
from tests.helpers.training import SMALL, composed


@pytest.mark.parametrize(("name", "kind"), [("local", LocalConfig), ("slurm", SlurmConfig)])
def test_conf_has_exactly_the_keys_of_the_schema(name, kind):
    values = OmegaConf.to_container(composed([f"+cluster={name}", *SMALL]).cluster, resolve=True)
    assert isinstance(check_cluster(values), kind)
    assert set(values) == set(kind.model_fields)


GPUS = ["+cluster=slurm", *SMALL, "trainer.accelerator=auto"]
TWO_BY_FOUR = [
    ["cluster.nodes=2", "cluster.gpus_per_node=4"], ["trainer.num_nodes=2", "trainer.devices=4"],
    ["cluster.nodes=2", "trainer.devices=4"], ["cluster.nodes=2", "cluster.tasks_per_node=4"],
    ["cluster.gpus_per_node=4", "trainer.devices=4", "trainer.num_nodes=2"],
]  # fmt: skip


@pytest.mark.parametrize("typed", TWO_BY_FOUR, ids=" ".join)
def test_two_nodes_of_four_gpus_are_one_training_of_eight_processes_however_they_are_typed(typed, tmp_path):
    words = [*GPUS, *typed]
    whole = composed(words)
    set_trainer(whole, words)
    options = sbatch_options(check_cluster(whole.cluster), 1, tmp_path)
    assert {"--nodes=2", "--gpus-per-node=4", "--ntasks-per-node=4"} <= set(options)
    config = check_config(composed(words))
    assert (config.trainer.num_nodes, config.trainer.devices, config.trainer.processes) == (2, 4, 8)
    plain = check_config(composed([*GPUS, *TWO_BY_FOUR[1]]))
    assert run_identity(config, {}) == run_identity(plain, {})
    assert job_configs(words)[0].trainer.processes == 8


@pytest.mark.parametrize(
    ("typed", "nodes", "processes", "gpus"),
    [
        (["trainer.accelerator=cpu", "cluster.nodes=2", "cluster.tasks_per_node=3"], 2, 3, None),
        (["trainer.accelerator=cpu", "trainer.devices=2"], 1, 2, None),
        (["cluster.gpus_per_node=null", "trainer.devices=2"], 1, 2, None),
        (["cluster.gpus_per_node=null", "cluster.tasks_per_node=2"], 1, 2, None),
        (["trainer.devices=2"], 1, 2, 2),
        ([], 1, 1, 1),
    ],
)
def test_processes_on_cpus_and_the_devices_of_the_trainer_alone(typed, nodes, processes, gpus):
    words = [*GPUS, *typed]
    whole = composed(words)
    set_trainer(whole, words)
    cluster = check_cluster(whole.cluster)
    assert (cluster.nodes, cluster.tasks_per_node, cluster.gpus_per_node) == (nodes, processes, gpus)
    assert (whole.trainer.num_nodes, whole.trainer.devices) == (nodes, processes)


def test_on_this_machine_the_devices_of_a_job_are_those_of_its_training():
    words = ["+cluster=local", *SMALL, "cluster.devices=2", "cluster.accelerator=cpu"]
    assert check_config(composed(words)).trainer.devices == 2


@pytest.mark.parametrize(
    ("typed", "right"),
    [
        ("+cluster=slurm cluster.nodes=2 trainer.num_nodes=1", "type cluster.nodes=2 alone"),
        ("+cluster=slurm cluster.gpus_per_node=4 trainer.devices=2", "type cluster.gpus_per_node=4 alone"),
        ("+cluster=slurm cluster.gpus_per_node=4 cluster.tasks_per_node=2", "type cluster.gpus_per_node=4 alone"),
        (
            "+cluster=slurm cluster.gpus_per_node=4 trainer.accelerator=cpu",
            "type cluster.gpus_per_node=null cluster.tasks_per_node=4",
        ),
        ("+cluster=slurm cluster.gpus_per_node=0", r"cluster\.gpus_per_node: .*greater than 0"),
        ("+cluster=local cluster.devices=2 trainer.devices=4", "type cluster.devices=2 alone"),
        ("+cluster=local trainer.num_nodes=2", r"type \+cluster=slurm"),
        ("+cluster=local cluster.gpus_per_node=2", r"cluster\.gpus_per_node is in no file of conf/"),
        ("cluster.nodes=2", r"cluster\.nodes is in no file of conf/"),
    ],
)
def test_what_contradicts_is_refused_with_the_line_to_type(typed, right):
    words = typed.split()
    with pytest.raises(UserError, match=right):
        set_trainer(compose_overrides(words), words)
    if words[0].startswith("+cluster"):  # and by the commands that expand jobs
        with pytest.raises(UserError, match=right):
            job_configs(words, needs_data=False)


def test_where_a_run_is_trained_is_no_part_of_its_configuration():
    assert not hasattr(check_config(composed(["+cluster=slurm", *SMALL])), "cluster")


@pytest.mark.parametrize(
    "keys", [{"additional_parameters": {"a\nb": 1}}, {"additional_parameters": {"a": "1\n#"}}, {"qos": "a\rb"}]
)
def test_a_line_break_would_be_another_line_of_the_batch_script(keys):
    with pytest.raises(UserError, match="cluster"):
        check_cluster({"name": "slurm", **keys})
