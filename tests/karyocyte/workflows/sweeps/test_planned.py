from pathlib import Path

from karyocyte.commands import train
from karyocyte.common.files import write_json, write_text
from karyocyte.composition.compose import compose_config
from karyocyte.runs.address import run_folder, run_identity
from karyocyte.runs.lifecycle import locked
from karyocyte.runs.run import Run
from karyocyte.runs.sweeps import job_of, sweep_folder, write_record

WORDS = ("+experiment=resnet18_cut_block5", "data=synthetic", "output_dir=out", "weights=random")
TYPED = ("-m", "--config-dir", "mine", "+sweep=mine", *WORDS, "split.fold=0,1", "+cluster=slurm", "--cfg", "job")


def leave_run(status, *words):
    """Write what a run leaves whose address has the digits of images that only it knows."""
    config = compose_config([*WORDS, *words])
    identity = run_identity(config, {"data": "known to the run alone", "weights": config.weights})
    run = Run(run_folder(config, identity))
    write_json(run.folder / "identity.json", identity)
    run.write_config(config.model_dump(mode="json"))
    run.write_status(status)
    (run.folder / ".lock").touch()
    return run.folder


def test_a_run_is_found_by_its_settings_or_as_the_sweep_has_recorded_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["train.py", *TYPED])
    write_text(Path("mine/sweep/mine.yaml"), "# @package _global_\nhydra: {sweeper: {params: {seed: '0,1'}}}\n")
    leave_run("running", "seed=0", "split.fold=1")  # by a process that was killed
    for other in ("unfreeze.lr=0.5", "weights=resnet18.a1_in1k"):
        leave_run("finished", "seed=1", "split.fold=1", other)
    done, running = leave_run("finished", "seed=0"), leave_run("running", "seed=1")
    files = sorted(tmp_path.rglob("*"))
    with locked(running):
        train.app()
    assert sorted(tmp_path.rglob("*")) == files  # nothing is written
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split() for line in lines[1:5]]
    assert {"#SBATCH --gpus-per-node=1", "#SBATCH --array=0-3%64"} < set(lines)
    command = f"train.py --config-dir {tmp_path}/mine seed=0 {' '.join(WORDS)} split.fold=0 +cluster=slurm"
    assert lines[-1].endswith(command)
    assert [row[0] for row in rows] == ["finished", "interrupted", "running", "missing"]
    assert [rows[0][1], rows[3][1]] == [str(done), "out/resnet18_cut_block5/subject-fold1-*/seed=1"]
    jobs = [job_of([*WORDS, f"seed={seed}", f"split.fold={fold}"]) for seed in (0, 1) for fold in (0, 1)]
    write_record(sweep_folder(Path("out"), "mine", jobs), jobs[3], run="../../old")  # by code with other settings
    Run(Path("out/old")).write_status("finished")
    train.app()
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:5]]
    assert rows[3][:2] == ["finished", "out/old"]
