"""cProfile over a whole run: the set-up and the loop, with a clock under control."""

import _lsprof
import gc
import itertools
import pstats
import subprocess
import sys

import counted_program
import pytest
from counted_program import NOW, Stage, Traced, inner, outer, own, set_up

import rnnprof
from rnnprof.traces.cprofile_trace import FunctionTrace


def train(trace, steps=2):
    NOW[0] += 10
    trace.loop_begins()
    for _ in range(steps):
        NOW[0] += 1000
        outer()


def main(trace):
    NOW[0] += 1
    set_up()
    train(trace)
    NOW[0] += 2


def test_the_loop_is_told_apart_and_functions_that_stay_open_keep_their_own_time():
    with Traced() as trace:
        main(trace)
    found = trace.summary("run.prof", "run.loop.prof")
    assert own(found.setup) == {"set_up": 100, "inner": 3}
    assert own(found.loop) == {"train": 2010, "outer": 24, "inner": 6, "main": 3}
    assert (found.setup_ns, found.loop_ns) == (103, 2043)
    assert (found.file, found.loop_file) == ("run.prof", "run.loop.prof")
    [function] = [one for one in found.loop if one.name == "outer"]
    assert (function.calls, function.primitive_calls, function.own_ns, function.total_ns) == (2, 2, 24, 30)
    assert (function.file, function.line) == (counted_program.__file__, outer.__code__.co_firstlineno)


def test_a_run_without_steps_is_all_set_up(tmp_path):
    with Traced() as trace:
        set_up()
    found = trace.summary("a", "b")
    assert (found.setup_ns, found.loop_ns, found.loop, found.stages) == (103, 0, (), ())
    trace.save(tmp_path / "a", tmp_path / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_the_files_load_in_pstats_and_agree_with_the_summary(tmp_path):
    with Traced() as trace:
        main(trace)
    trace.save(tmp_path / "run.prof", tmp_path / "run.loop.prof")
    found = trace.summary("a", "b")
    whole = pstats.Stats(str(tmp_path / "run.prof"))
    loop = pstats.Stats(str(tmp_path / "run.loop.prof"))
    assert round(whole.total_tt * 1e9) == found.setup_ns + found.loop_ns == 2146
    assert round(loop.total_tt * 1e9) == found.loop_ns == 2043
    label = (counted_program.__file__, inner.__code__.co_firstlineno, "inner")
    assert {name[2]: part[1] for name, part in whole.stats[label][4].items()} == {"outer": 2, "set_up": 1}
    assert {name[2]: part[1] for name, part in loop.stats[label][4].items()} == {"outer": 2}


def test_work_aside_is_no_work_of_the_loop():
    with Traced() as trace:
        trace.loop_begins()
        outer()
        with trace.aside():
            set_up()
    assert own(trace.summary("a", "b").loop) == {"outer": 12, "inner": 3}


def test_work_aside_in_which_it_ends_is_no_work_of_the_loop_either():
    other = _lsprof.Profiler()
    with Traced() as trace:
        trace.loop_begins()
        outer()
        with trace.aside():
            set_up()
            other.enable()
            outer()
    other.disable()
    assert trace.replaced
    assert own(trace.summary("a", "b").loop) == {"outer": 12, "inner": 3}


def test_it_can_be_asked_while_it_counts():
    with Traced() as trace:
        set_up()
        assert own(trace.summary("a", "b").setup) == {"set_up": 100, "inner": 3}
        assert not trace.stopped
        inner()
    assert trace.stopped
    assert own(trace.summary("a", "b").setup) == {"set_up": 100, "inner": 6}


def test_the_first_step_alone_ends_the_set_up():
    with Traced() as trace:
        trace.loop_begins()
        inner()
        trace.loop_begins()
    assert trace.summary("a", "b").loop_ns == 3


def test_a_trace_that_never_began_has_nothing():
    trace = FunctionTrace()
    trace.stop()
    found = trace.summary("a", "b")
    assert (found.setup_ns, found.loop_ns, found.setup, found.loop, found.stages) == (0, 0, (), (), ())


def test_with_its_own_clock_it_counts_what_passes():
    with Traced(None) as trace:
        trace.loop_begins()
        trace.open(0)
        with Stage(trace, "sort"):
            values = sorted(range(200_000), key=lambda x: -x)
        trace.close(True)
    assert values[0] == 199_999
    found = trace.summary("a", "b")
    [stage] = [stage for stage in found.stages if stage.path == ("sort",)]
    assert stage.functions[0].own_ns > 0
    assert {one.calls for one in stage.functions if "lambda" in one.name} == {200_000}
    # What is left of a stage is told by a clock beside cProfile's: between them another program may run.
    assert stage.own_ns == pytest.approx(found.loop_ns, rel=0.5)


def test_what_is_kept_until_python_ends_is_no_complaint():
    program = """
from rnnprof.traces.cprofile_trace import FunctionTrace
import sys
sys.kept = trace = FunctionTrace()
trace.kept = trace
trace.start()
trace.loop_begins()
trace.open(0)
trace.enter("forward")
trace.leave("forward")
trace.close(True)
if "stop" in sys.argv:
    trace.stop()
"""
    for arguments in ([], ["stop"]):
        done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_recorded_run_has_it_all(tmp_path):
    def steps(prof):
        for _ in range(8):
            with prof.step(), prof.stage("forward"):
                outer()
                with prof.stage("lstm"):
                    inner()

    with rnnprof.profile(tmp_path / "run.json", warmup=1, control_every=0, cprofile=True) as prof:
        set_up()
        steps(prof)
    found = prof.run.functions
    assert (found.file, found.loop_file) == ("run.prof", "run.loop.prof")
    stats = pstats.Stats(str(tmp_path / found.loop_file)).stats
    calls = {name[2]: counts[1] for name, counts in stats.items() if "tests" in name[0]}
    assert (calls["outer"], calls["inner"], calls["steps"], "set_up" in calls) == (8, 16, 1, False)
    stats = pstats.Stats(str(tmp_path / found.file)).stats
    assert {name[2]: counts[1] for name, counts in stats.items() if "tests" in name[0]} == {
        **calls,
        "inner": 17,
        "set_up": 1,
    }
    assert "getstats" not in " ".join(one.name for one in found.loop)
    assert found.steps == 1
    counted = {stage.path: {one.name: one.calls for one in stage.functions} for stage in found.stages}
    assert counted["forward", "lstm"].items() >= {"inner": 1}.items()
    assert counted["forward",].items() >= {"inner": 1, "outer": 1}.items()


def test_what_the_collector_calls_meanwhile_hides_no_function(tmp_path):
    """Finalizers and functions in `gc.callbacks` are looked up in the tree that is being listed."""
    made = {}
    exec("\n".join(f"def f{number}(): pass" for number in range(300)), made)
    del made["__builtins__"]
    again = itertools.cycle(made.values())

    def collecting(*_):
        next(again)()

    threshold = gc.get_threshold()
    gc.callbacks.append(collecting)
    try:
        with Traced() as trace:
            for function in made.values():
                function()
            gc.set_threshold(3)
            for number in range(10):
                trace.save(tmp_path / f"{number}", tmp_path / "loop")
    finally:
        gc.set_threshold(*threshold)
        gc.callbacks.remove(collecting)
    assert gc.isenabled()
    for number in range(10):
        stats = pstats.Stats(str(tmp_path / f"{number}")).stats
        assert {name for _, _, name in stats} >= set(made)
