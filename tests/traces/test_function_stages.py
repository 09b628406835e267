"""The functions of each stage, with a clock under control: every own time is an exact number."""

import gc
import pstats
import sys
from pathlib import Path

import pytest
from counted_program import NOW, Stage, Traced, inner, loop, of_stages, outer
from hypothesis import given, settings
from hypothesis import strategies as st

import rnnprof
from rnnprof.traces import function_changes


def test_functions_count_to_the_innermost_stage():
    def body(trace):
        inner()
        with Stage(trace, "forward"):
            outer()
            with Stage(trace, "lstm"):
                inner()
            inner()
        with Stage(trace, "loss"):
            inner()

    found = loop(None, body)
    stages = of_stages(found)
    # `body` is open in all of them, and does nothing itself.
    assert stages == {
        "": {"inner": 3},
        "forward": {"outer": 12, "inner": 6},
        "loss": {"inner": 3},
        "forward/lstm": {"inner": 3},
    }
    forward = next(one for one in found.summary("a", "b").stages if one.path == ("forward",))
    assert forward.own_ns == 18
    assert [(one.name, one.calls, one.total_ns) for one in forward.functions][:2] == [
        ("outer", 1, 15),
        ("inner", 2, 6),
    ]
    assert found.summary("a", "b").steps == 1


def test_statements_count_to_their_stage_though_their_function_is_open():
    def body(trace):
        NOW[0] += 1
        with Stage(trace, "update"):
            NOW[0] += 20
            with Stage(trace, "inside"):
                NOW[0] += 300
            inner()
            NOW[0] += 4000
        NOW[0] += 50_000

    assert of_stages(loop(None, body)) == {
        "": {"body": 50_001},
        "update": {"body": 4020, "inner": 3},
        "update/inside": {"body": 300},
    }


def test_a_function_that_stays_open_for_the_step_has_its_statements_counted():
    with Traced() as trace:
        trace.open(0)
        NOW[0] += 7
        with Stage(trace, "update"):
            NOW[0] += 11
            inner()
        trace.close(True)
    name = sys._getframe().f_code.co_name
    assert of_stages(trace) == {"": {name: 7}, "update": {name: 11, "inner": 3}}
    [function] = [one for one in trace.summary("a", "b").stages[0].functions if one.name == name]
    assert (function.calls, function.own_ns, function.total_ns) == (0, 7, 7)


def model(trace):
    """A stage that begins deeper than the one around it."""
    NOW[0] += 30
    with Stage(trace, "lstm"):
        NOW[0] += 500
    NOW[0] += 40


def test_a_stage_that_begins_in_a_function_called_from_the_stage_around():
    def body(trace):
        with Stage(trace, "forward"):
            NOW[0] += 1
            model(trace)
            NOW[0] += 2

    assert of_stages(loop(None, body)) == {
        "forward": {"model": 70, "body": 3},
        "forward/lstm": {"model": 500},
    }


def test_recursion_and_generators():
    def down(n):
        NOW[0] += 10
        if n:
            down(n - 1)

    def batches():
        for size in (1, 2):
            NOW[0] += size
            yield size

    def body(trace):
        with Stage(trace, "forward"):
            down(2)
        source = batches()
        with Stage(trace, "get_batch"):
            next(source)
        with Stage(trace, "again"):
            list(source)

    found = loop(None, body)
    assert of_stages(found) == {
        "forward": {"down": 30},
        "get_batch": {"batches": 1},
        "again": {"batches": 2},
    }
    [function] = [
        one for stage in found.summary("a", "b").stages for one in stage.functions if one.name == "down"
    ]
    assert (function.calls, function.primitive_calls, function.total_ns) == (3, 1, 30)


def test_nothing_of_rnnprof_or_of_the_looking_itself_is_in_a_stage():
    def body(trace):
        for _ in range(3):
            trace.enter("forward")
            inner()
            trace.leave("forward")

    stages = loop(None, body).summary("a", "b").stages
    assert {one.path: [(f.name, f.calls) for f in one.functions] for one in stages} == {
        (): [("body", 1)],
        ("forward",): [("inner", 3)],
    }


def test_the_snapshots_are_neither_in_the_loops_file_nor_among_the_longest_functions(tmp_path):
    found = loop(None, lambda trace: inner())
    found.save(tmp_path / "run.prof", tmp_path / "run.loop.prof")
    snapshots = "<method 'getstats' of '_lsprof.Profiler' objects>"
    for name, has_all in (("run.prof", True), ("run.loop.prof", False)):
        stats = pstats.Stats(str(tmp_path / name)).stats
        assert "inner" in {label[2] for label in stats}
        assert (("~", 0, snapshots) in stats) is has_all
    assert snapshots not in [one.name for one in found.summary("a", "b").loop]


def test_a_step_that_is_not_kept_counts_nothing_and_the_next_one_counts_itself():
    with Traced() as trace:
        for keep in (True, False, True):
            trace.open(0)
            with Stage(trace, "forward"):
                inner()
            trace.close(keep)
            outer()
    found = trace.summary("a", "b")
    assert found.steps == 2
    assert of_stages(trace) == {"forward": {"inner": 6}}


def test_stages_left_in_an_odd_order():
    def body(trace):
        trace.leave("nothing")
        trace.enter("a")
        inner()
        trace.enter("b")
        trace.enter("c")
        inner()
        trace.leave("a")
        inner()
        trace.leave("c")
        trace.enter("d")
        inner()

    assert of_stages(loop(None, body)) == {
        "": {"inner": 3},
        "a": {"inner": 3},
        "d": {"inner": 3},
        "a/b/c": {"inner": 3},
    }


def step(trace, number, stages=1):
    trace.open(number)
    for _ in range(stages):
        with Stage(trace, "forward"):
            inner()
    trace.close(True)


def test_no_more_steps_are_looked_into_when_that_has_taken_long(monkeypatch):
    with Traced(None) as trace:
        step(trace, 0)
        assert not trace.done
        monkeypatch.setattr("rnnprof.traces.function_stages.MOST_NS", 0)
        assert trace.done
        step(trace, 1)
    assert trace.summary("a", "b").steps == 1


def test_a_step_in_which_looking_has_taken_too_long_is_dropped(monkeypatch):
    monkeypatch.setattr("rnnprof.traces.function_stages.MOST_NS", 0)
    with Traced(None) as trace:
        assert not trace.done
        step(trace, 0, stages=2)
        assert trace.done
    assert (trace.summary("a", "b").steps, trace.summary("a", "b").stages) == (0, ())


def test_a_trace_that_has_ended_is_done():
    with Traced() as trace:
        assert not trace.done
    assert trace.done


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_of_garbage_stays_as_it_is(enabled):
    before = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        loop(None, lambda trace: inner())
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if before else gc.disable)()


def test_marks_outside_a_step_do_nothing():
    with Traced() as trace:
        trace.enter("a")
        inner()
        trace.leave("a")
        trace.close(True)
    assert trace.summary("a", "b").stages == ()


def test_an_exception_passes_through_stages():
    def failing():
        NOW[0] += 9
        raise KeyError("x")

    def body(trace):
        with pytest.raises(KeyError):
            with Stage(trace, "forward"):
                failing()
        inner()

    stages = of_stages(loop(None, body))
    assert stages["forward"] == {"failing": 9}
    assert stages[""]["inner"] == 3


TREES = st.recursive(
    st.integers(0, 9),
    lambda inside: st.lists(
        st.tuples(st.sampled_from(["call", "stage", "work", "throw"]), inside), max_size=4
    ),
    max_leaves=12,
)


def walk(trace, tree, spent, path):
    """Run a tree of calls and stages; note what is spent in each stage by this clock alone."""
    if isinstance(tree, int):
        NOW[0] += tree
        spent[path] = spent.get(path, 0) + tree
        return
    for kind, inside in tree:
        if kind == "call":
            walk(trace, inside, spent, path)
        elif kind == "stage":
            with Stage(trace, "s"):
                walk(trace, inside, spent, (*path, "s"))
        elif kind == "throw":
            try:
                with Stage(trace, "t"):
                    walk(trace, inside, spent, (*path, "t"))
                    raise ValueError
            except ValueError:
                pass
        else:
            NOW[0] += 1000
            spent[path] = spent.get(path, 0) + 1000
            walk(trace, inside, spent, path)


@settings(max_examples=60, deadline=None, database=None)
@given(st.lists(TREES, min_size=1, max_size=3))
def test_every_nanosecond_of_a_step_is_counted_to_the_stage_it_was_spent_in(trees):
    spent = {}
    with Traced() as trace:
        for tree in trees:
            trace.open(0)
            walk(trace, tree, spent, ())
            trace.close(True)
    counted = {stage.path: stage.own_ns for stage in trace.summary("a", "b").stages}
    assert {path: ns for path, ns in counted.items() if ns} == {path: ns for path, ns in spent.items() if ns}


def test_only_rnnprofs_own_files_are_its_own():
    package = Path(rnnprof.__file__).parent
    for name, own in {"marks.py": True, "recorder/tracks.py": True, "examples/main.py": False}.items():
        assert function_changes.of_rnnprof(str(package / name)) == own
    assert not function_changes.of_rnnprof(str(package.with_name("rnnprof_of_mine") / "train.py"))
