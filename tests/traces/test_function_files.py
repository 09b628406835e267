"""The statistics as if nothing had looked: functions that only look are gone, with their time."""

import pstats
from functools import partial

import pytest

from rnnprof.traces import function_files, function_stats
from rnnprof.traces.function_changes import ONLY_LOOKING
from rnnprof.traces.function_files import of_program


def function(name):
    return ("program.py", 1, name)


LOOK = (ONLY_LOOKING[0] + "some.py", 1, "look")
DEEPER = (ONLY_LOOKING[-1] + "py", 2, "deeper")
GETSTATS = ("~", 0, "<method 'getstats'>")
LEN = ("~", 0, "<built-in method len>")
MAIN, TRAIN, FORWARD, MARK, OTHER = map(function, ("main", "train", "forward", "mark", "other"))
US = 1000


def once(own, total):
    return (1, 1, own * US, total * US)


def row(own, total, **callers):
    """A function called once by each caller, with the part's own and total time in microseconds."""
    calls = len(callers) or 1
    parts = {function(name): once(*part) for name, part in callers.items()}
    return ((calls, calls, own * US, total * US), parts)


def looked(own, total, caller):
    return ((1, 1, own * US, total * US), {caller: once(own, total)})


def of_a_run():
    """main 10 > train 20 > (forward 30 > mark 2 > look), (mark 2 > look); look > getstats, len."""
    return {
        MAIN: row(10, 564),
        TRAIN: row(20, 554, main=(20, 554)),
        FORWARD: row(30, 133, train=(30, 133)),
        MARK: ((2, 2, 4 * US, 504 * US), {TRAIN: once(2, 402), FORWARD: once(2, 102)}),
        LOOK: ((2, 2, 50 * US, 500 * US), {MARK: (2, 2, 50 * US, 500 * US)}),
        DEEPER: looked(40, 450, LOOK),
        GETSTATS: looked(400, 400, DEEPER),
        LEN: ((3, 3, 11 * US, 11 * US), {DEEPER: (2, 2, 10 * US, 10 * US), FORWARD: once(1, 1)}),
    }


def test_own_times_stay_and_what_is_around_is_lessened():
    table = of_a_run()
    before = {name: (counts[:3], sorted(parts)) for name, (counts, parts) in table.items()}
    found = of_program(table)
    assert set(found) == {MAIN, TRAIN, FORWARD, MARK, LEN}
    # Of the 500 that mark spent in looking, 402/504 were in train itself, and 102/504 in forward.
    direct, inside = 402 * 500 / 504, 102 * 500 / 504
    assert found[MARK][0] == (2, 2, 4 * US, 4 * US)
    assert found[MARK][1] == {
        TRAIN: (1, 1, 2 * US, 402 * US - round(direct * US)),
        FORWARD: (1, 1, 2 * US, max(102 * US - round(inside * US), 2 * US)),
    }
    lessened = (1, 1, 30 * US, 133 * US - round(inside * US))
    assert found[FORWARD] == (lessened, {TRAIN: lessened})
    assert found[TRAIN] == (once(20, 54), {MAIN: once(20, 54)})
    assert found[MAIN] == (once(10, 64), {})
    assert found[LEN] == (once(1, 1), {FORWARD: once(1, 1)})
    # The table that was given is as it was.
    assert {name: (counts[:3], sorted(parts)) for name, (counts, parts) in table.items()} == before


@pytest.mark.parametrize("most", [1, 7])
def test_a_table_without_looking_stays_as_it_is(most):
    table = {MAIN: row(1, 9 * most), TRAIN: row(most, most, main=(most, most))}
    assert of_program(table) == table
    assert of_program({}) == {}


def test_what_only_looking_calls_goes_with_all_that_it_calls():
    inside, deep = function("inside"), function("deep")
    table = {
        MAIN: row(10, 110),
        LOOK: looked(20, 100, MAIN),
        inside: looked(30, 80, LOOK),
        deep: ((3, 3, 50 * US, 50 * US), {inside: once(20, 20), deep: (2, 2, 30 * US, 30 * US)}),
    }
    assert of_program(table) == {MAIN: (once(10, 10), {})}


def test_looking_within_looking_is_taken_away_once():
    # main > look > other > deeper; and main > other, which does not look then.
    table = {
        MAIN: row(10, 160),
        LOOK: looked(20, 100, MAIN),
        OTHER: ((2, 2, 60 * US, 130 * US), {LOOK: once(10, 80), MAIN: once(50, 50)}),
        DEEPER: looked(70, 70, OTHER),
    }
    found = of_program(table)
    assert set(found) == {MAIN, OTHER}
    assert found[OTHER][0] == once(50, 50)
    assert found[OTHER][1] == {MAIN: once(50, 50)}


def test_a_function_that_calls_itself_spent_the_time_once():
    table = {
        MAIN: row(10, 140),
        OTHER: ((1, 3, 30 * US, 130 * US), {MAIN: once(10, 130), OTHER: (0, 2, 20 * US, 65 * US)}),
        LOOK: looked(100, 100, OTHER),
    }
    assert of_program(table) == {
        MAIN: row(10, 40),
        OTHER: (
            (1, 3, 30 * US, 30 * US),
            {MAIN: once(10, 30), OTHER: (0, 2, 20 * US, 20 * US)},
        ),
    }


def test_functions_that_call_each_other_spent_the_time_once():
    # main > train > forward > train > forward > look
    table = {
        MAIN: row(10, 150),
        TRAIN: ((1, 2, 20 * US, 140 * US), {MAIN: once(10, 140), FORWARD: (0, 1, 10 * US, 120 * US)}),
        FORWARD: ((1, 2, 20 * US, 130 * US), {TRAIN: (1, 2, 20 * US, 130 * US)}),
        LOOK: looked(100, 100, FORWARD),
    }
    found = of_program(table)
    # What goes round is passed on until it is less than a microsecond.
    near = partial(pytest.approx, abs=1.1 * US)
    assert found[MAIN][0] == near(once(10, 50))
    assert found[TRAIN][0] == near((1, 2, 20 * US, 40 * US))
    assert found[FORWARD][0] == near((1, 2, 20 * US, 30 * US))
    assert found[TRAIN][1][MAIN] == near(once(10, 40))
    assert found[FORWARD][1] == {TRAIN: near((1, 2, 20 * US, 30 * US))}


def test_a_circle_that_nothing_leaves_ends():
    table = {
        TRAIN: ((1, 1, 1 * US, 90 * US), {FORWARD: once(1, 90)}),
        FORWARD: ((1, 1, 1 * US, 90 * US), {TRAIN: once(1, 90)}),
        LOOK: looked(50, 50, TRAIN),
    }
    found = of_program(table)
    assert [found[name][0] for name in (TRAIN, FORWARD)] == [once(1, 40), once(1, 40)]


def test_no_total_time_is_less_than_the_own_one():
    table = {MAIN: row(10, 30), TRAIN: row(15, 20, main=(15, 20)), LOOK: looked(900, 900, TRAIN)}
    assert of_program(table) == {MAIN: row(10, 10), TRAIN: row(15, 15, main=(15, 15))}


def test_callers_that_are_not_in_the_table_are_left_out():
    table = {TRAIN: row(15, 20, main=(15, 20)), LOOK: looked(5, 5, TRAIN)}
    assert of_program(table) == {TRAIN: (once(15, 15), {})}


def test_pstats_and_snakeviz_load_it(tmp_path):
    function_stats.write(of_program(of_a_run()), tmp_path / "run.prof")
    stats = pstats.Stats(str(tmp_path / "run.prof"))
    assert stats.stats[TRAIN][:4] == pytest.approx((1, 1, 20e-6, 54e-6), abs=1e-12)
    assert stats.total_tt == pytest.approx(65e-6, abs=1e-12)
    snakeviz = pytest.importorskip("snakeviz.stats", reason="snakeviz is an extra")
    shown = snakeviz.json_stats(stats)
    assert {name.split("(")[1] for name in shown} >= {"main)", "train)", "forward)", "mark)"}


def test_circles_of_calls_are_found() -> None:
    def part(ns: int) -> tuple[int, int, int, int]:
        return (1, 1, ns, ns)

    a, b, c, d, e = (("x.py", line, name) for line, name in enumerate("abcde"))
    counted = {
        a: (part(9), {}),
        b: (part(9), {a: part(1), d: part(1)}),
        c: (part(9), {b: part(1)}),
        d: (part(9), {c: part(1), d: part(1)}),
        e: (part(9), {d: part(1), e: part(1)}),
    }
    assert function_files._Ways(counted, set()).circles([e]) == {b, c, d}
    assert function_files._Ways(counted, set()).circles([a]) == set()
