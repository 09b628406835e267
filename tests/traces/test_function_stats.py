"""cProfile's counts as tables: as cProfile makes them itself, subtracted, and on the disk."""

import cProfile
import marshal
import pstats

import pytest

from rnnprof.captures import Function
from rnnprof.errors import RunFileError
from rnnprof.traces import function_stats


def recursive(n):
    return n if n < 2 else recursive(n - 1) + recursive(n - 2)


def work():
    sorted([recursive(8), len("abc")], key=lambda x: -x)
    return [abs(i) for i in range(3)]


@pytest.fixture
def profiler():
    found = cProfile.Profile()
    found.enable()
    work()
    found.disable()
    return found


def test_a_table_is_what_cprofile_makes_itself(profiler, tmp_path):
    function_stats.write(function_stats.table(profiler.getstats()), tmp_path / "run.prof")
    profiler.create_stats()
    assert marshal.loads((tmp_path / "run.prof").read_bytes()) == profiler.stats


def test_pstats_loads_the_file(profiler, tmp_path):
    table = function_stats.table(profiler.getstats())
    function_stats.write(table, tmp_path / "run.prof")
    stats = pstats.Stats(str(tmp_path / "run.prof"))
    assert stats.total_calls == sum(counts[1] for counts, _ in table.values())
    assert stats.total_tt == pytest.approx(sum(counts[2] for counts, _ in table.values()) / 1e9, abs=1e-12)


def test_snakeviz_draws_the_file(profiler, tmp_path):
    snakeviz = pytest.importorskip("snakeviz.stats", reason="snakeviz is an extra")
    function_stats.write(function_stats.table(profiler.getstats()), tmp_path / "run.prof")
    stats = pstats.Stats(str(tmp_path / "run.prof"))
    assert any("(recursive)" in row[-1] for row in snakeviz.table_rows(stats))
    assert any("(recursive)" in name for name in snakeviz.json_stats(stats))


def test_functions_of_one_label_are_summed_where_cprofile_keeps_one():
    made = [{}, {}]
    for place in made:
        exec(compile("def f(): pass", "<string>", "exec"), place)
    profiler = cProfile.Profile()
    profiler.enable()
    made[0]["f"]()
    made[1]["f"]()
    made[1]["f"]()
    profiler.disable()
    counts, _ = function_stats.table(profiler.getstats())["<string>", 1, "f"]
    assert counts[:2] == (3, 3)


A, B, C = ("a.py", 1, "a"), ("b.py", 2, "b"), ("~", 0, "<built-in function c>")


def test_the_difference_of_two_moments():
    earlier = {A: ((1, 1, 10, 30), {}), B: ((2, 2, 20, 20), {A: (2, 2, 20, 20)})}
    later = {
        A: ((1, 1, 10, 30), {}),
        B: ((3, 5, 26, 27), {A: (2, 2, 20, 20), C: (1, 3, 6, 7)}),
        C: ((1, 1, 4, 11), {B: (1, 1, 4, 11)}),
    }
    assert function_stats.difference(later, earlier) == {
        B: ((1, 3, 6, 7), {C: (1, 3, 6, 7)}),
        C: ((1, 1, 4, 11), {B: (1, 1, 4, 11)}),
    }
    assert function_stats.difference(later, later) == {}
    assert function_stats.difference(later, {}) == later


def test_no_difference_is_negative():
    assert function_stats.difference({A: ((2, 2, 5, 9), {})}, {A: ((1, 1, 6, 7), {})}) == {
        A: ((1, 1, 0, 2), {})
    }


def test_the_longest_functions_come_first():
    counted = {A: (1, 1, 5, 9), B: (1, 2, 7, 7), C: (1, 1, 5, 10)}
    assert function_stats.longest(counted, 2) == (
        Function("b.py", 2, "b", calls=2, primitive_calls=1, own_ns=7, total_ns=7),
        Function("~", 0, "<built-in function c>", calls=1, primitive_calls=1, own_ns=5, total_ns=10),
    )


def test_a_file_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "run.prof").mkdir()
    with pytest.raises(RunFileError, match=r"^cannot write .*run\.prof: [^\n]+$"):
        function_stats.write({A: ((1, 1, 1, 1), {})}, tmp_path / "run.prof")
    with pytest.raises(RunFileError, match=r"^cannot write .*none.run\.prof: No such file or directory$"):
        function_stats.write({}, tmp_path / "none" / "run.prof")
    assert [path.name for path in tmp_path.iterdir()] == ["run.prof"]


def test_an_older_file_is_replaced(tmp_path):
    path = tmp_path / "run.prof"
    path.write_bytes(b"old")
    function_stats.write({A: ((1, 1, 2_000_000_000, 3_000_000_000), {})}, path)
    assert marshal.loads(path.read_bytes()) == {A: (1, 1, 2.0, 3.0, {})}
