"""Programs with profilers of their own: theirs work as without rnnprof's, which ends."""

import _lsprof
import cProfile
import os
import profile
import sys
import threading

import pytest
from counted_program import Traced, inner, outer, own

from rnnprof.errors import UsageError
from rnnprof.traces.cprofile_trace import FunctionTrace

since_312 = pytest.mark.skipif(sys.version_info < (3, 12), reason="there is no sys.monitoring")


def names(profiler):
    profiler.create_stats()
    return {name[2] for name in profiler.stats}


def test_another_profiler_that_is_active_is_an_error_of_one_line():
    other = cProfile.Profile()
    other.enable()
    try:
        with pytest.raises(UsageError, match=r"^cProfile cannot count while another profiler is active: .*"):
            FunctionTrace().start()
    finally:
        other.disable()


def test_the_programs_own_cprofile_works_and_ours_gives_way():
    with Traced() as trace:
        inner()
        own_profile = cProfile.Profile()
        own_profile.enable()
        outer()
        own_profile.disable()
        trace.open(1)
        inner()
        trace.close(True)
    assert {"outer", "inner"} <= names(own_profile)
    assert trace.replaced
    assert own(trace.summary("a", "b").setup) == {"inner": 3}
    assert trace.summary("a", "b").steps == 0


def test_the_programs_own_cprofile_is_what_it_is_without_ours():
    def program():
        own_profile = cProfile.Profile()
        with own_profile:
            outer()
        return names(own_profile)

    alone = program()
    with Traced():
        assert program() == alone


def test_a_profile_that_outlasts_ours_goes_on():
    own_profile = cProfile.Profile()
    with Traced() as trace:
        own_profile.enable()
    inner()
    own_profile.disable()
    assert trace.replaced
    assert "inner" in names(own_profile)


def test_pythons_own_profile_works():
    with Traced() as trace:
        own_profile = profile.Profile(bias=0)
        assert own_profile.runcall(lambda: 5) == 5
    assert trace.replaced


def test_a_function_that_the_program_sets_sees_what_it_sees_without_ours():
    def program():
        seen = []
        sys.setprofile(lambda frame, event, arg: seen.append((frame.f_code.co_name, event)))
        outer()
        sys.setprofile(None)
        return seen

    alone = program()
    with Traced() as trace:
        assert program() == alone
    assert trace.replaced


def test_a_step_in_which_it_was_replaced_is_not_kept():
    with Traced() as trace:
        trace.open(0)
        trace.enter("forward")
        cProfile.Profile().runcall(inner)
        trace.leave("forward")
        trace.close(True)
    assert trace.summary("a", "b").steps == 0
    assert trace.summary("a", "b").stages == ()


def test_a_program_that_sets_what_it_found_is_not_disturbed():
    def program():
        found = sys.getprofile()
        sys.setprofile(lambda *event: None)
        inner()
        sys.setprofile(found)
        inner()
        return sys.getprofile()

    with Traced() as trace:
        inner()
        assert program() is None
        trace.open(0)
        trace.close(True)
    assert trace.replaced
    assert own(trace.summary("a", "b").setup) == {"inner": 3}


def test_a_function_that_the_program_has_set_stays_set():
    def watch(*event):
        pass

    try:
        with Traced() as trace:
            sys.setprofile(watch)
        assert sys.getprofile() is watch
    finally:
        sys.setprofile(None)
    assert trace.replaced


@since_312
def test_whatever_asks_for_the_place_of_a_profiler_gets_it():
    with Traced() as trace:
        sys.monitoring.use_tool_id(sys.monitoring.PROFILER_ID, "program's")
        assert sys.monitoring.get_tool(sys.monitoring.PROFILER_ID) == "program's"
    sys.monitoring.free_tool_id(sys.monitoring.PROFILER_ID)
    assert trace.replaced


def test_a_compiled_profiler_that_tells_nobody_is_noticed():
    other = _lsprof.Profiler()
    with Traced() as trace:
        inner()
        other.enable()
        outer()
        trace.open(0)
        trace.close(True)
    other.disable()
    assert any(getattr(one.code, "co_name", "") == "outer" for one in other.getstats())
    assert trace.replaced
    assert own(trace.summary("a", "b").setup) == {"inner": 3}


def test_everything_is_as_it_was_in_the_end():
    def state():
        monitoring = getattr(sys, "monitoring", None)
        return (
            sys.getprofile(),
            sys.setprofile,
            dict(vars(cProfile.Profile)),
            monitoring and (dict(vars(monitoring)), monitoring.get_tool(monitoring.PROFILER_ID)),
        )

    before = state()
    with Traced() as trace:
        assert state() != before
    assert state() == before
    trace.stop()
    assert state() == before
    with Traced():
        cProfile.Profile().runcall(inner)
    assert state() == before


def test_a_function_in_another_thread_ends_nothing():
    with Traced() as trace:
        thread = threading.Thread(target=outer)
        thread.start()
        thread.join()
        inner()
    assert not trace.replaced
    assert own(trace.summary("a", "b").setup)["inner"] >= 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_ends_its_own_and_not_the_parents():
    with Traced() as trace:
        child = os.fork()
        if child == 0:
            trace.stop()
            os._exit(0 if sys.getprofile() is None else 1)
        assert os.waitpid(child, 0)[1] == 0
        inner()
    assert own(trace.summary("a", "b").setup) == {"inner": 3}
