"""The README's tables of a plan and of a job's start."""

import pandas as pd

from docs.tables import plans as plan_tables


def test_the_tables_of_a_plan_say_what_the_csv_says(tmp_path):
    one = {"experiment": "vgg", "gflops_training": 3.21, "images_most": 6400, "bound_by": "loading", "speed": 1.0}
    rows = [{**one, "gpus": 1, "hours_least": 0.5, "hours_most": 1.25}]
    for speed, hours in ((1.0, 10), (0.5, 20), (2.0, 5)):
        for gpus in (1, 32):
            total = {"experiment": "all", "speed": speed, "gpus": gpus}
            rows.append({**total, "hours_least": hours / gpus / 2, "hours_most": hours / gpus})
    pd.DataFrame(rows).to_csv(tmp_path / "plan_cnmc_grid.csv", index=False)
    grid = plan_tables.plan_grid(tmp_path).splitlines()
    assert len(grid) == 3
    assert [cell.strip() for cell in grid[2].strip("|").split("|")] == [
        "vgg",
        "3.2",
        "6,400",
        "loading",
        "30.0 to 75.0",
    ]
    totals = plan_tables.plan_totals(tmp_path).splitlines()
    expected = ["1", "5.0 to 10.0", "10.0 to 20.0", "2.5 to 5.0"]
    assert [cell.strip() for cell in totals[2].strip("|").split("|")] == expected
    assert totals[3].startswith("| 32")


def test_the_table_of_a_start_has_a_column_for_each_case(tmp_path):
    cases = [("train.py", True, "torch", 1.25), ("train.py", True, "total", 3.5), ("train.py", False, "torch", 4.0)]
    table = pd.DataFrame(cases, columns=["case", "bytecode", "phase", "wall_s"])
    table.to_csv(tmp_path / "startup.csv", index=False)
    heads, _, first, last = plan_tables.startup(tmp_path).splitlines()
    assert [cell.strip() for cell in heads.strip("|").split("|")] == ["phase", "train.py", "train.py, no bytecode"]
    assert [cell.strip() for cell in first.strip("|").split("|")] == ["torch", "1.25", "4.00"]
    assert [cell.strip() for cell in last.strip("|").split("|")] == ["total", "3.50", "-"]
