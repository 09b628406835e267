"""The functions that cProfile saw: short names, their order, and what is left of them."""

from __future__ import annotations

import pytest

from rnnprof import units
from rnnprof.analysis.functions import functions, short_files
from rnnprof.captures import Function, Functions, StageFunctions


def function(name: str, own_ns: int, file: str = "/home/me/main.py", **changed: int) -> Function:
    return Function(
        file, 7, name, **({"calls": 4, "primitive_calls": 4, "own_ns": own_ns} | changed), total_ns=own_ns
    )


def test_functions_are_ranked_and_the_rest_is_told() -> None:
    loop = tuple(function(f"f{i}", 100 - i, primitive_calls=2) for i in range(12))
    stages = (StageFunctions(("a",), 60, loop[:1]), StageFunctions((), 940, ()))
    found = functions(Functions("run.prof", "run.loop.prof", 0, 2000, (), loop, 10, stages))
    assert [row.name for row in found.loop.functions] == [
        *(f"main.py:7(f{i})" for i in range(12)),
        "other functions",
    ]
    first = found.loop.functions[0]
    assert (first.percent, first.own_each_ns, first.total_each_ns, first.own_per_step_ns) == (
        "5.0 %",
        25,
        50,
        None,
    )
    assert found.loop.shown == 10
    rest = found.loop.unshown
    assert rest is not None
    assert (rest.own_ns, rest.percent, rest.calls, rest.remainder) == (
        2000 - sum(range(91, 101)),
        "52.2 %",
        None,
        True,
    )
    assert [(one.path, one.own_ns, one.percent, one.shown) for one in found.stages] == [
        (("a",), 100, "9.6 %", 1),
        ((), 940, "90.4 %", 0),
    ]
    assert (found.stages[0].functions[0].own_per_step_ns, found.stages[0].functions[0].calls_per_step) == (
        10,
        0.4,
    )
    assert (found.setup.share, found.setup.percent, found.setup.functions) == (None, "–", ())


def test_files_are_named_by_their_package_or_their_last_folders() -> None:
    lib = "/home/me/venv/lib/python3.11"
    assert short_files(
        [
            f"{lib}/site-packages/torch/nn/modules/rnn.py", f"{lib}/random.py",
            "/usr/lib/python3/dist-packages/six.py", "/home/me/lm/main.py", "/home/me/lm/data/utils.py",
            "/home/me/lm/model/utils.py", "C:\\Users\\me\\train.py", "C:\\Python311\\Lib\\queue.py",
            "<frozen importlib._bootstrap>", "one.py",
        ]
    ) == {
        f"{lib}/site-packages/torch/nn/modules/rnn.py": "torch/nn/modules/rnn.py",
        f"{lib}/random.py": "random.py",
        "/usr/lib/python3/dist-packages/six.py": "six.py",
        "/home/me/lm/main.py": "main.py",
        "/home/me/lm/data/utils.py": "data/utils.py",
        "/home/me/lm/model/utils.py": "model/utils.py",
        "C:\\Users\\me\\train.py": "train.py",
        "C:\\Python311\\Lib\\queue.py": "queue.py",
        "<frozen importlib._bootstrap>": "<frozen importlib._bootstrap>",
        "one.py": "one.py",
    }  # fmt: skip
    deep = [f"/{top}/" + "x/" * 20 + "main.py" for top in "ab"]
    assert short_files(deep) == {file: file for file in deep}


def test_a_name_without_end_is_gone_through_once() -> None:
    # Looked at anew from each of its characters, this one would take minutes.
    endless = "x" * 300_000
    assert short_files({endless}) == {endless: endless}


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("<built-in method torch.lstm>", "{built-in method torch.lstm}"),
        (
            "<method 'add_' of 'torch._C.TensorBase' objects>",
            "{method 'add_' of 'torch._C.TensorBase' objects}",
        ),
        ("", ""),
        ("plain", "plain"),
    ],
)
def test_built_in_functions_read_as_in_pstats(name: str, shown: str) -> None:
    found = functions(Functions("a", "b", 1, 0, (Function("~", 0, name, 1, 1, 1, 1),)))
    assert found.setup.functions[0].name == shown


def test_sizes_in_words() -> None:
    assert [units.size(number) for number in (0, 1023, 1024, 1_234_567, 5 * 2**30)] == [
        "0 bytes", "1,023 bytes", "1.00 KiB", "1.18 MiB", "5.00 GiB",
    ]  # fmt: skip
