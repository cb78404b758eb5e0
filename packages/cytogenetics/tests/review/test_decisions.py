"""The file of decisions: what is whole is kept, whatever happens, and replays to the same state."""

import re
from contextlib import suppress
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cytogenetics.review.decisions import CLASSES, DecisionLog, read_decisions, replay
from karyocyte.common.errors import UserError
from packages.cytogenetics.tests.review.bundles import decision
from tests.karyocyte.workflows.full_disk import disk_to_fill, fill_disk, free_disk

FILES = ("a.png", "b.png", "c.png")

READERS, KINDS = st.sampled_from(("reader1", "reader2")), st.sampled_from(CLASSES)
CELLS, IMAGES = st.sampled_from(("c0", "c1")), st.sampled_from(FILES)
MOVES = st.builds(partial(decision, "move", from_class="1"), cell=CELLS, reader=READERS, image=IMAGES, to=KINDS)
TURNS = st.builds(partial(decision, "turn"), image=IMAGES)
SWAPS = st.builds(partial(decision, "swap", image="a.png", other="b.png"), from_class=KINDS, to=KINDS)
OTHERS = st.builds(decision, st.sampled_from(("undo", "undo", "approve")), reader=READERS)
SEQUENCES = st.lists(st.one_of(MOVES, TURNS, SWAPS, OTHERS), max_size=25)


@settings(max_examples=60)
@given(decisions=SEQUENCES, data=st.data())
def test_any_sequence_replays_to_the_same_state_and_a_torn_line_costs_itself_alone(tmp_path_factory, decisions, data):
    path = tmp_path_factory.mktemp("log") / "decisions.jsonl"
    log = DecisionLog(path)
    for one in decisions:
        log.append(one)
    log.close()
    assert read_decisions(path) == (decisions, [])
    assert replay(decisions) == log.states
    content = path.read_bytes()
    cut = data.draw(st.integers(0, len(content)))
    path.write_bytes(content[:cut])
    # A line of which only its end is missing is whole.
    lines = [one.line for one in decisions]
    whole = sum(line == piece for line, piece in zip(lines, content[:cut].split(b"\n"), strict=False))
    again = DecisionLog(path)
    assert again.states == replay(decisions[:whole])
    again.append(decision("turn", image="z.png"))
    again.close()
    kept, torn = read_decisions(path)
    assert kept == [*decisions[:whole], decision("turn", image="z.png")]
    assert len(torn) == len(again.warnings) <= 1
    assert path.read_bytes().startswith(content[:cut])


def test_actions():
    state = replay(
        [
            decision("move", image="a.png", to="3", from_class="4"),
            decision("swap", image="a.png", other="b.png", from_class="3", to="X"),
            decision("turn", image="c.png"),
            decision("approve", classes={"a.png": "X"}),
        ]
    )[("reader1", "c0")]
    assert state.fixed == {"a.png": "X", "b.png": "3"}
    assert state.turned == {"c.png"}
    assert state.approval is not None
    state.add(decision("turn", image="c.png"))
    assert not state.turned
    assert state.approval is None


def test_one_review_at_a_time(tmp_path):
    log = DecisionLog(tmp_path / "decisions.jsonl")
    with pytest.raises(UserError, match="another review"):
        DecisionLog(tmp_path / "decisions.jsonl")
    log.close()
    DecisionLog(tmp_path / "decisions.jsonl").close()


def test_a_decision_that_a_full_disk_does_not_take_is_not_kept(tmp_path):
    with disk_to_fill():
        log = DecisionLog(tmp_path / "decisions.jsonl")
        kept = [decision("turn", image=f"{number}.png") for number in range(3)]
        for one in kept:
            log.append(one)
        fill_disk()
        with suppress(OSError):
            for number in range(100):  # there is room to the end of the page
                log.append(decision("move", image=f"{number}.png", to="3"))
                kept.append(decision("move", image=f"{number}.png", to="3"))
        assert len(kept) < 100
        free_disk()
        log.append(decision("turn", image="last.png"))
        log.close()
        decisions, torn = read_decisions(tmp_path / "decisions.jsonl")
    assert decisions == [*kept, decision("turn", image="last.png")]
    assert len(torn) <= 1
    assert log.states == replay(decisions)


@pytest.mark.parametrize("damaged", [b'"time":""', b'"time":"yesterday"', b'"seconds":"long"'])
def test_a_damaged_line_is_left_out_and_named(tmp_path, damaged):
    line = decision("approve", to="46,XX").line
    key = damaged.split(b":")[0]
    broken = re.sub(key + rb":[^,}]+", damaged, line)
    (tmp_path / "decisions.jsonl").write_bytes(line + b"\n" + broken + b"\n")
    kept, (warning,) = read_decisions(tmp_path / "decisions.jsonl")
    assert kept == [decision("approve", to="46,XX")]
    assert "decisions.jsonl, line 2: no whole decision" in warning
