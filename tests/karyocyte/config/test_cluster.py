import pytest
from omegaconf import OmegaConf

from karyocyte.common.errors import UserError
from karyocyte.common.paths import CONF
from karyocyte.composition.compose import check_config, compose_job
from karyocyte.composition.grid import grid
from karyocyte.config.cluster import LocalConfig, SlurmConfig, check_cluster, check_devices
from karyocyte.workflows.sweeps.slurm import sbatch_options
from tests.helpers.training import SMALL, composed


@pytest.mark.parametrize(("name", "kind"), [("local", LocalConfig), ("slurm", SlurmConfig)])
def test_conf_has_exactly_the_keys_of_the_schema(name, kind):
    values = OmegaConf.to_container(composed([f"+cluster={name}", *SMALL]).cluster, resolve=True)
    assert isinstance(check_cluster(values), kind)
    assert set(values) == set(kind.model_fields)


@pytest.mark.parametrize(
    ("typed", "nodes", "processes", "gpus"),
    [
        (["trainer.num_nodes=2", "trainer.devices=4"], 2, 4, 4),
        (["trainer.accelerator=cpu", "trainer.num_nodes=2", "trainer.devices=3"], 2, 3, None),
        (["cluster.gpus_per_node=null", "trainer.devices=2"], 1, 2, None),
        ([], 1, 1, 1),
    ],
)
def test_nodes_processes_and_gpus_follow_the_trainer(typed, nodes, processes, gpus, tmp_path):
    whole = composed(["+cluster=slurm", *SMALL, "trainer.accelerator=auto", *typed])
    check_devices(whole)
    assert check_config(whole).trainer.processes == nodes * processes
    cluster = check_cluster(whole.cluster)
    assert (cluster.nodes, cluster.tasks_per_node, cluster.gpus_per_node) == (nodes, processes, gpus)
    assert {f"--nodes={nodes}", f"--ntasks-per-node={processes}"} <= set(sbatch_options(cluster, 1, tmp_path))


@pytest.mark.parametrize(
    "keys", [{"additional_parameters": {"a\nb": 1}}, {"additional_parameters": {"a": "1\n#"}}, {"qos": "a\rb"}]
)
def test_a_line_break_would_be_another_line_of_the_batch_script(keys):
    with pytest.raises(UserError, match="cluster"):
        check_cluster({"name": "slurm", **keys})


def test_a_job_is_not_signalled_at_its_start():
    with pytest.raises(UserError, match="cluster.signal_delay_s"):
        check_cluster({"name": "slurm", "timeout_min": 2, "signal_delay_s": 120})
    assert check_cluster({"name": "slurm", "timeout_min": 2, "signal_delay_s": 30}).timeout_min == 2


SWEEPS = sorted(path.stem for path in (CONF / "sweep").glob("*.yaml"))
PRECISIONS = ["32-true", "64-true", "16-true", "bf16-true", "16-mixed", "bf16-mixed"]


@pytest.mark.parametrize(("cluster", "gpus"), [("local", {}), ("slurm", {"gpus_per_node": 2})])
@pytest.mark.parametrize("number", range(len(SWEEPS)))
def test_every_sweep_composes_with_each_cluster_device_and_precision(cluster, gpus, number):
    for place, device in enumerate(("cpu", "gpu")):
        precision = PRECISIONS[(number + place) % len(PRECISIONS)]
        typed = [f"trainer.accelerator={device}", "trainer.devices=2", f"trainer.precision={precision}"]
        with grid([f"+sweep={SWEEPS[number]}", f"+cluster={cluster}", *typed]) as expanded:
            job = compose_job(expanded.loader, expanded.composed, expanded.jobs[0], "train")
        if job.callbacks.averaging.enabled and precision.endswith("16-true"):
            job.trainer.precision = "16-mixed"  # that of the message, which refuses the other
        check_devices(job)
        assert check_config(job).trainer.devices == 2
        asked = check_cluster(job.cluster).model_dump()
        assert {key: asked[key] for key in gpus} == (gpus if device == "gpu" else dict.fromkeys(gpus))
