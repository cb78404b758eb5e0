"""A reader adds, cuts and joins chromosomes on the picture of a metaphase."""

from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from tests.helpers.sources import list_images

pytest.importorskip("starlette", reason="starlette is not installed: uv sync --group dev")
from cytogenetics.commands.review import app
from cytogenetics.metaphases.sources.metaphase_boxes import read_annotations
from cytogenetics.review.cell_bundle import CUT_OUTS, ReviewBundle
from cytogenetics.review.cells import CellReview
from cytogenetics.review.decisions import DecisionLog, read_decisions
from cytogenetics.review.review import export_labels
from karyocyte.common.errors import UserError
from karyocyte.common.karyotype import CHROMOSOMES
from karyocyte.composition.compose import compose_config
from packages.cytogenetics.tests.review import serving
from packages.cytogenetics.tests.review.bundles import MALE, decision, write_cells
from packages.cytogenetics.tests.review.metaphase import LEFT_OUT, LINE, MARGIN, PIECES, TRUE, write_metaphase
from packages.cytogenetics.tests.review.serving import open_clients
from tests.helpers.terminal import error_of, run_app


@pytest.fixture
def output(tmp_path):
    write_metaphase(tmp_path / "out")
    return tmp_path / "out"


review = pytest.fixture(open_clients)
decide = partial(serving.decide, cell="m0")


def kinds(item):
    return {one["name"]: one["class"] for one in item["files"]}


def correct(client):
    """Cut the two that touch, join the two pieces, add the Y and the X; name them, and return what is shown last."""
    for action, values, names in (
        ("cut", {"image": "m0/01.png", "points": LINE}, ["1", "1"]),
        ("join", PIECES, ["2"]),
        ("add", {"boxes": [TRUE[45].tolist()]}, ["Y"]),
        ("add", {"image": LEFT_OUT}, ["X"]),
    ):
        before = client.get("items/m0").json()
        item = decide(client, action, **values).json()
        new = [name for name in kinds(item) if name not in kinds(before)]
        assert item["result"] == f"{len(names)} of {len(item['files'])} without a class"
        assert [kinds(item)[name] for name in new] == [None] * len(names)
        for name, kind in zip(new, names, strict=True):
            item = decide(client, "move", image=name, to=kind).json()
    return item


def boxes_of(item):
    return np.array([box["corners"] for box in item["boxes"] if kinds(item).get(box["name"]) not in (None, "none")])


def nearest(boxes):
    """How far each true box is from the nearest of some boxes, in pixels."""
    return np.abs(TRUE[:, None] - boxes).max(axis=2).min(axis=1)


def test_the_corrected_cell_is_approved_and_found_again(output, review):
    client = review(output)
    first = client.get("items/m0").json()
    assert len(first["files"]) == 44
    assert [box["number"] for box in first["boxes"]] == list(range(1, 46))
    item = correct(client)
    assert item["result"] == "46,XY"
    assert (item["counts"]["1"], item["counts"]["2"], item["counts"]["Y"]) == (2, 2, 1)
    assert item["probability"] > 0.5
    assert len(boxes_of(item)) == 46
    assert nearest(boxes_of(item)).max() <= 3  # the line is of neither part
    assert [kinds(item)[f"m0/0{number}.png"] for number in (1, 2, 3)] == ["none"] * 3
    strip = client.get("pictures/m0").content
    assert decide(client, "approve").json()["state"] == "approved"
    # Another process goes on; another reader begins anew.
    again = review(output)
    assert {**again.get("items/m0").json(), "groups": {}} == {**item, "state": "approved", "groups": {}, "lines": 10}
    assert again.get("pictures/m0").content == strip
    assert len(review(output, "reader2").get("items/m0").json()["files"]) == 44
    (row,) = pd.read_csv(output / "approved" / "approved.csv").to_dict("records")
    assert row["karyotype"] == "46,XY"
    assert row["changes"].count("added, 1") == 2
    assert "box 1: 1 to none" in row["changes"]
    assert (output / "approved" / row["karyogram"]).is_file()
    drawn = next(name for name in kinds(item) if "add" in name)
    assert Path(drawn).stem not in (output / "approved" / "index.html").read_text()  # its box has a number
    for name in (drawn, LEFT_OUT):  # which was taken in
        (output / CUT_OUTS / name).write_bytes((output / CUT_OUTS / PIECES["image"]).read_bytes())
    with pytest.raises(UserError, match="2 labels would be of other pictures"):
        export_labels(CellReview(output), output / "decisions.jsonl", output / "labels.csv")


def test_what_is_taken_in_and_deleted_again_is_no_change(output, review):
    client = review(output)
    decide(client, "add", image=LEFT_OUT)
    decide(client, "move", image=LEFT_OUT, to="none")
    assert decide(client, "approve").status_code == 200
    assert "box 45" not in (output / "approved" / "approved.csv").read_text()
    assert "that the model has not used" not in (output / "approved" / "index.html").read_text()


def test_what_is_drawn_is_kept_in_the_trail_and_undone(output, review):
    client = review(output)
    before = client.get("items/m0").json()
    cut = decide(client, "cut", image="m0/01.png", points=LINE).json()
    new = [file for file in cut["files"] if file["class"] is None]
    assert new[0]["others"][0][0] in ("1", "Y", "X")  # the cell lacks them
    assert decide(client, "approve").status_code == 409
    undone = decide(client, "undo").json()
    assert {**undone, "lines": 0, "groups": {}} == {**before, "groups": {}}
    (line, _), torn = read_decisions(output / "decisions.jsonl")
    assert not torn
    assert (line.action, line.image, len(line.boxes), line.points) == ("cut", "m0/01.png", 2, [tuple(p) for p in LINE])
    assert list(line.drawn) == [one["name"] for one in new]


def test_a_box_across_another_shows_the_whole_chromosome(output, review):
    left, top, right, bottom = TRUE[3].tolist()  # that of a file, which is not removed
    item = decide(review(output), "add", boxes=[[left + 2, top + 2, right + 2, bottom + 2]]).json()
    shown = [box["outline"] for box in item["boxes"]]
    x, y = zip(*(point.split(",") for point in shown[-1].split()), strict=True)
    assert max(map(int, x)) - min(map(int, x)) >= 10  # its bar is 12 x 49 pixels
    assert max(map(int, y)) - min(map(int, y)) >= 45


def test_a_box_that_is_moved_is_what_is_labelled(output, review, tmp_path):
    client = review(output)
    before, strip = client.get("items/m0").json(), client.get("pictures/m0").content
    for box in (TRUE[3] + (0, 0, 0, -40), TRUE[3], TRUE[45]):  # a part of a 2, all of it, and the Y that was not found
        item = decide(client, "resize", image="m0/04.png", boxes=[box.tolist()]).json()
        assert (kinds(item), item["boxes"][3]["corners"]) == (kinds(before), box.tolist())
        points = np.array([point.split(",") for point in item["boxes"][3]["outline"].split()], float)
        assert np.abs(np.concatenate([points.min(axis=0), points.max(axis=0)]) - box).max() <= MARGIN
    moved = 255.0 - cv2.imdecode(np.frombuffer(client.get("pictures/m0").content, np.uint8), cv2.IMREAD_GRAYSCALE)
    upper, lower = np.array_split(np.split(moved, 44, axis=1)[3], 2)
    assert upper.sum() > lower.sum()  # where its light band is: upside down as before
    decide(client, "approve")
    assert "box 4: box changed" in (output / "approved" / "approved.csv").read_text()
    run_app(app, output, "--export-boxes", tmp_path / "boxes")
    assert nearest(read_annotations(tmp_path / "boxes")[1][0].boxes)[45] == 0
    run_app(app, output, "--export-labels", tmp_path / "labels.csv")
    assert pd.read_csv(tmp_path / "labels.csv")["path"].str.contains("m0/resize-").sum() == 1
    undone = [decide(client, "undo").json() for _ in range(4)][-1]
    assert {**undone, "lines": 0, "groups": {}} == {**before, "groups": {}}
    assert client.get("pictures/m0").content == strip


@pytest.mark.parametrize(
    ("action", "values", "code"),
    [
        ("add", {}, 400),
        ("add", {"boxes": [[600, 400, 630, 440]]}, 409),  # ground
        ("add", {"boxes": [[-5, 0, 50, 50]]}, 400),
        ("add", {"boxes": [[80, 60, 40, 20]]}, 409),  # the other way round
        ("add", {"boxes": [[600, 400, 641, 440]]}, 409),  # beyond the picture
        ("add", {"image": "m0/01.png"}, 400),  # it is there
        ("resize", {"image": "m0/04.png"}, 400),
        ("resize", {"boxes": [[40, 20, 80, 60]]}, 400),
        ("resize", {"image": LEFT_OUT, "boxes": [[40, 20, 80, 60]]}, 400),
        ("resize", {"image": "m0/04.png", "boxes": [[600, 400, 640, 461]]}, 409),
        ("cut", {"image": LEFT_OUT, "points": LINE}, 400),
        ("cut", {"image": "m0/99.png", "points": LINE}, 400),
        ("cut", {"image": "m0/01.png", "points": [[0, 0], [5, 5]]}, 409),  # beside it
        ("join", {"image": "m0/01.png", "other": "m0/01.png"}, 400),
        ("join", {"image": "m0/01.png", "other": LEFT_OUT}, 400),
    ],
)
def test_bad_drawings_are_not_kept(output, review, action, values, code):
    assert decide(review(output), action, **values).status_code == code
    assert not (output / "decisions.jsonl").read_bytes()


def test_single_chromosomes_have_no_picture(tmp_path, review):
    write_cells(tmp_path / "out")
    client = review(tmp_path / "out")
    assert client.get("items/c0").json()["boxes"] == []
    assert client.get("metaphases/c0.png").status_code == 404
    drawn = {"add": {"boxes": [[0, 0, 20, 20]]}, "join": {"image": "c0/00.png", "other": "c0/01.png"}}
    for action, values in drawn.items():
        assert decide(client, action, cell="c0", **values).status_code == 400


def test_a_lost_picture_or_file_is_said(output, review):
    client = review(output)
    name = list(kinds(decide(client, "add", boxes=[TRUE[45].tolist()]).json()))[-1]
    (output / "metaphases" / "m0.png").unlink()
    answer = decide(client, "add", boxes=[TRUE[44].tolist()])
    assert (answer.status_code, "m0.png is missing" in answer.text) == (409, True)
    (output / "chromosomes" / name).unlink()
    answer = review(output).get("items/m0")
    assert (answer.status_code, "put it back" in answer.text) == (409, True)


def test_boxes_that_a_detector_trains_on(output, review, tmp_path):
    client = review(output)
    item = correct(client)
    decide(client, "move", image="m0/44.png", to="mar")
    decide(client, "approve")
    folder = tmp_path / "boxes"
    assert "46 boxes of 1 picture" in run_app(app, output, "--export-boxes", folder).output
    keys = [f"data_dir={folder}", "data.subject_regex=null", "protocol=image"]
    config = compose_config(keys, "detector")
    (row,) = list_images(config.data, folder, tmp_path / "cache").frame.to_dict("records")
    assert nearest(row["boxes"]).max() <= 3
    places = np.abs(TRUE[:, None] - row["boxes"]).max(axis=2).argmin(axis=1)
    true = [-1 if place == 43 else CHROMOSOMES.index(kind) for place, kind in enumerate(MALE)]
    assert np.delete(row["chromosomes"][places], 43).tolist() == [one for one in true if one >= 0]
    assert row["chromosomes"].min() == -1  # the marker
    assert "exists already" in error_of(run_app(app, output, "--export-boxes", folder, code=1))
    assert len(item["files"]) == 49


def test_boxes_on_which_readers_differ(output, tmp_path):
    def approve(reader, *none, **changes):
        files = {f"m0/{number:02}.png": "1" for number in range(1, 45)} | dict.fromkeys(none, "none") | changes
        log = DecisionLog(output / "decisions.jsonl")
        model = ReviewBundle(output).identity("m0")
        log.append(decision("approve", cell="m0", reader=reader, to="46,XY", classes=files, model=model))
        log.close()

    approve("reader1")
    approve("reader2", **{"m0/02.png": "7"})
    run_app(app, output, "--export-boxes", tmp_path / "agreed")
    (annotation,) = read_annotations(tmp_path / "agreed")[1]
    assert annotation.names == ["1", "chromosome", *["1"] * 42]
    approve("reader2", "m0/03.png")
    printed = error_of(run_app(app, output, "--export-boxes", tmp_path / "differ", code=1))
    assert "no boxes are approved" in printed
