"""The server of the review page: who is let in, and what becomes of a decision."""

import errno
import json
import os
from functools import partial

import pytest

pytest.importorskip("starlette", reason="starlette is not installed: uv sync --group dev")
from starlette.testclient import TestClient

from cytogenetics.review.cells import CellReview
from cytogenetics.review.decisions import DecisionLog, read_decisions
from cytogenetics.review.server import STATIC, ReviewServer, review_app
from packages.cytogenetics.tests.review import serving
from packages.cytogenetics.tests.review.serving import ADDRESS, ORIGIN, open_clients


@pytest.fixture
def review(output):
    """A function that opens the review of two cells as a reader and returns a client."""
    for start in open_clients():
        yield partial(start, output)


decide = partial(serving.decide, cell="c1")


def test_every_answer_has_a_policy(review):
    client = review()
    for path in ("", *(path.name for path in STATIC.iterdir()), "queue", "items/c1", "pictures/c1", "nowhere"):
        answer = client.get(path)
        assert answer.status_code == (404 if path == "nowhere" else 200), path
        assert answer.headers["content-security-policy"].startswith("default-src 'self';")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
    page = client.get("").text
    assert "http" not in page  # nothing from elsewhere
    assert "<script>" not in page


@pytest.mark.parametrize(
    "path",
    [
        *(f"{ADDRESS}/{path}" for path in ("", "other/", "other/queue", "toke/queue", "token2/queue", "tokeñ/queue")),
        *("nowhere", "items/c9", "items/..%2Findex", "review.py", "../server.py"),
        *("pictures/c9", "pictures/c1/c1.json", "pictures/..%2Findex.json"),
    ],
)
def test_without_the_token_and_below_unknown_paths_there_is_nothing(review, path):
    assert review().get(path).status_code == 404


def test_foreign_hosts_and_other_methods(review):
    client = review()
    for host in ("example.org", "evil.127.0.0.1:8000"):
        assert client.get("queue", headers={"Host": host}).status_code == 400
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        assert client.request(method, "queue", headers=ORIGIN).status_code == 405


def test_foreign_origins(review, tmp_path):
    client = review()
    for origin in ("http://example.org", "null", "http://127.0.0.1:8001", "https://127.0.0.1:8000"):
        assert client.get("queue", headers={"Origin": origin}).status_code == 403
        answer = client.post("items/c1/decisions", json={"action": "approve"}, headers={"Origin": origin})
        assert answer.status_code == 403
    assert client.post("items/c1/decisions", json={"action": "approve"}).status_code == 403
    assert not (tmp_path / "out" / "decisions.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", 400),
        (b'{"action": "delete"}', 400),
        (b'{"action": "move", "image": "c0/00.png", "to": "5"}', 400),
        (b'{"action": "move", "image": "c1/00.png", "to": "23"}', 400),
        (b'{"action": "swap", "image": "c1/00.png"}', 400),
        (b'{"action": "undo"}', 409),
        (b'{"action": "approve", "seconds": -1}', 400),
        (b"[" * 9_999, 400),  # deeper than Python's recursion
    ],
)
def test_bad_decisions_are_not_kept(review, tmp_path, body, code):
    assert review().post("items/c1/decisions", content=body, headers=ORIGIN).status_code == code
    assert not (tmp_path / "out" / "decisions.jsonl").read_bytes()


def test_a_cell_is_corrected_approved_and_found_again(review, tmp_path):
    client = review()
    queue = client.get("queue").json()
    assert [line["stem"] for line in queue["items"]] == ["c1", "c0"]  # most expected errors first
    assert queue["groups"]["case"]["approved"] == "no cell yet"
    state = decide(client, "move", image="c1/06.png", to="5").json()
    # A 4 that is said to be a 5 pushes the 5 that resembles a 4 to class 4.
    assert state["files"][8]["class"] == "4"
    assert (state["files"][6]["class"], state["files"][6]["fixed"], state["result"]) == ("5", True, "46,XY")
    state = decide(client, "swap", image="c1/00.png", other="c1/02.png").json()
    assert [state["files"][row]["class"] for row in (0, 2)] == ["2", "1"]
    assert decide(client, "turn", image="c1/00.png").json()["files"][0]["turned"]
    assert not decide(client, "undo").json()["files"][0]["turned"]
    approved = decide(client, "approve").json()
    assert approved["state"] == "approved"
    # Another process goes on; another reader begins anew.
    said = approved.pop("groups")["case"]
    assert (said["predicted"], said["approved"]) == ("46,XY; settled", "46,XY (1 of 2 cells)")
    assert review().get("items/c1").json() == approved
    assert not review("reader2").get("items/c1").json()["state"]
    decisions, torn = read_decisions(tmp_path / "out" / "decisions.jsonl")
    assert not torn
    assert [one.action for one in decisions] == ["move", "swap", "turn", "undo", "approve"]
    first = json.loads((tmp_path / "out" / "decisions.jsonl").read_text().splitlines()[0])
    expected = {"image": "c1/06.png", "from": "4", "to": "5", "reader": "reader1", "seconds": 2}
    assert first | expected == first
    assert first["model"] == CellReview(tmp_path / "out").identity("c1")
    assert decisions[-1].classes["c1/06.png"] == "5"


def test_a_full_disk_is_said_on_the_page(review, monkeypatch):
    client = review()

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(DecisionLog, "append", full)
    answer = decide(client, "approve")
    assert (answer.status_code, answer.text) == (507, "not kept: No space left on device")


def actions(path):
    return [one.action for one in read_decisions(path)[0]]


def test_decisions_go_to_the_file_that_is_there_now(review, tmp_path):
    """An editor or a program that synchronises folders replaces files."""
    client = review()
    path = tmp_path / "out" / "decisions.jsonl"
    for cell in ("c0", "c1"):
        assert decide(client, "turn", cell=cell, image=f"{cell}/00.png").status_code == 200
    lines = path.read_bytes().splitlines(keepends=True)
    (tmp_path / "edited").write_bytes(lines[1])  # without the decision on c0
    (tmp_path / "edited").replace(path)
    assert decide(client, "turn", image="c1/01.png", lines=1).status_code == 200
    answer = decide(client, "approve", cell="c0", lines=1)
    assert (answer.status_code, actions(path)) == (409, ["turn", "turn"])
    assert client.get("items/c0").json()["lines"] == 0
    path.write_bytes(path.read_bytes() + lines[0])  # in place
    assert client.get("items/c0").json()["lines"] == 1
    assert decide(client, "approve", cell="c0", lines=1).status_code == 200
    assert actions(path) == ["turn", "turn", "turn", "approve"]


def test_a_lost_file_of_decisions_is_an_error(review, tmp_path):
    client = review()
    decide(client, "turn", image="c1/00.png")
    path = tmp_path / "out" / "decisions.jsonl"
    content = path.read_bytes()
    path.unlink()
    for answer in (decide(client, "approve"), client.get("queue"), client.get("items/c1")):
        assert answer.status_code == 500
        assert "decisions.jsonl is gone: put it back" in answer.text
    assert not path.exists()
    path.write_bytes(content)
    assert decide(client, "approve").status_code == 200
    assert actions(path) == ["turn", "approve"]


def test_two_readers_of_one_server_lose_nothing(output):
    reviewed = CellReview(output)
    log = DecisionLog(output / "decisions.jsonl")
    servers = {name: ReviewServer(reviewed, log, name) for name in ("anna", "ben")}
    anna, ben = (TestClient(review_app(servers), base_url=f"{ADDRESS}/{name}/") for name in servers)
    decide(anna, "move", image="c1/00.png", to="mar", lines=0)
    decide(ben, "move", image="c1/00.png", to="2", lines=0)
    assert decide(anna, "approve", lines=1).json()["result"].endswith(",+mar")
    assert decide(ben, "approve", lines=1).status_code == 200
    log.close()
    decisions, _ = read_decisions(output / "decisions.jsonl")
    done = [f"{one.reader} {one.action}" for one in decisions]
    assert done == ["anna move", "ben move", "anna approve", "ben approve"]
    assert len(list((output / "approved").glob("*.png"))) == 2
