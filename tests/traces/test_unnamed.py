"""Waits in the trace of a step on a CPU that no watched call explains: in which stage, and how often."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from trace_builder import BACKWARD, MAIN, TraceBuilder

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

import rnnprof  # noqa: E402
from rnnprof.captures import Path  # noqa: E402
from rnnprof.probes import MOST_WAITS, Wait  # noqa: E402
from rnnprof.traces import events  # noqa: E402
from rnnprof.traces.labels import find  # noqa: E402
from rnnprof.traces.probe.intercept import WATCHED  # noqa: E402
from rnnprof.traces.probe.unnamed import LOADER, OPERATORS, unnamed  # noqa: E402
from rnnprof.traces.probe.waits import ranked  # noqa: E402

PATHS: list[Path] = [("forward",), ("forward", "rnn"), ("backward",)]
A_MASK = Wait(("forward",), "mask", "tensor[mask]", "", 0, "", "", "", 1, None)


def found(trace: TraceBuilder) -> tuple[Wait, ...]:
    data = trace.data()
    return unnamed(data, find(events.entries(data), PATHS, [1]))


def step() -> TraceBuilder:
    """A step from 0 to 100: forward 10-40, in it rnn 20-30; backward 50-90."""
    trace = TraceBuilder()
    trace.step(1, 0, 100)
    trace.label("forward", 10, 40)
    trace.label("rnn", 20, 30)
    trace.label("backward", 50, 90)
    return trace


def indexed(trace: TraceBuilder, start: float, *around: str, tid: int = MAIN) -> None:
    """An ``aten::nonzero`` of 1 µs within these operators, the outermost first."""
    for depth, name in enumerate((*around, "aten::nonzero")):
        trace.op(name, start + depth / 10, start + 2 - depth / 10, tid)


# ---- in a trace ---------------------------------------------------------------------------------


def test_one_wait_for_each_stage_in_their_order():
    trace = step()
    indexed(trace, 60, "aten::index_put", "aten::index_put_", "aten::_index_put_impl_")
    for start in (11, 14, 35):
        indexed(trace, start, "aten::index")
    indexed(trace, 22, "aten::index_put_")
    indexed(trace, 1, "aten::index")
    assert found(trace) == (
        replace(A_MASK, path=()),
        replace(A_MASK, count=3),
        replace(A_MASK, path=("forward", "rnn")),
        replace(A_MASK, path=("backward",)),
    )


def test_other_threads_count_to_the_stage_of_the_moment():
    trace = step()
    indexed(trace, 55, "IndexBackward0", "aten::_index_put_impl_", tid=BACKWARD)
    # On one thread there is an index, on the other a list of places: they are not one inside the other.
    trace.op("aten::index", 60, 70)
    indexed(trace, 62, "CopyBackwards", "aten::to_sparse", tid=BACKWARD)
    assert found(trace) == (replace(A_MASK, path=("backward",)),)


def test_what_is_none():
    trace = step()
    indexed(trace, 17, "aten::index", "aten::to_sparse")
    indexed(trace, 31, "aten::index")  # once, not twice
    trace.op("aten::index", 33, 34)
    indexed(trace, 120, "aten::index")  # behind the step
    trace.label(f"{LOADER}_SingleProcessDataLoaderIter.__next__", 51, 59)
    indexed(trace, 52, "aten::index")
    trace.op(WATCHED, 60, 70)
    indexed(trace, 61, "aten::index")
    indexed(trace, 64)
    assert found(trace) == (A_MASK,)


@pytest.mark.parametrize(
    "around", [(), ("aten::nonzero_numpy",), ("aten::argwhere",), ("forward", "MyBackward")]
)
def test_a_list_of_places_counts_once(around):
    trace = step()
    indexed(trace, 35, *around)
    (row,) = found(trace)
    assert (row.path, row.way, row.count) == (("forward",), "nonzero", 1)


def test_what_waits_with_some_arguments_only():
    trace = step()
    given: list[tuple[str, str, list[Any]]] = [
        ("aten::where", "Input Dims", [[3], [3], [3]]),
        ("aten::one_hot", "Concrete Inputs", ["", "5"]),
        ("aten::one_hot", "Concrete Inputs", []),
        ("aten::repeat_interleave", "Concrete Inputs", ["", "3"]),
        ("aten::repeat_interleave", "Concrete Inputs", ["", "", "0", ""]),
        ("aten::where", "Input Dims", [[3]]),
        ("aten::one_hot", "Concrete Inputs", ["", "-1"]),
        ("aten::repeat_interleave", "Concrete Inputs", ["", ""]),
    ]
    for place, (name, key, value) in enumerate(given):
        trace.op(name, 51 + place, 51.5 + place)
        trace.events[-1]["args"] = {key: value}
    for place, name in enumerate(("aten::where", "aten::one_hot", "aten::repeat_interleave")):
        trace.op(name, 81 + place, 81.5 + place)
        trace.events[-1]["args"] = None
    assert [(row.path, row.way, row.count) for row in found(trace)] == [
        (("backward",), way, 1) for way in ("nonzero", "one_hot", "repeats")
    ]


def test_where_no_method_is_watched_there_are_masks_alone():
    trace = step()
    for place, name in enumerate(sorted(OPERATORS)):
        trace.op(name, 51 + place, 51.5 + place)
    indexed(trace, 35, "aten::index")
    data = trace.data()
    assert unnamed(data, find(events.entries(data), PATHS, [1]), watched=False) == (A_MASK,)


def test_without_steps():
    trace = TraceBuilder()
    indexed(trace, 1, "aten::index")
    assert found(trace) == ()


@pytest.mark.parametrize("change", [{"dur": None}, {"ts": "1"}, {"name": 3}, {"cat": "kernel"}, {"ph": "B"}])
def test_odd_events_are_passed_over(change):
    trace = step()
    indexed(trace, 11, "aten::index")
    trace.events[-1] |= change
    trace.events += [None, 3, {}]
    assert found(trace) == ()


def test_they_are_ranked_with_the_others():
    named = [
        replace(A_MASK, way="item", call="Tensor.item", file="main.py", line=line) for line in range(100)
    ]
    rows, more = ranked((*named, replace(A_MASK, count=5), replace(A_MASK, path=("z",))))
    assert rows[0] == replace(A_MASK, count=5)
    assert rows[1:] == tuple(named[:99])
    assert (len(rows), more) == (MOST_WAITS, 2)


# ---- in a run -----------------------------------------------------------------------------------


def waits_of(**stages: Callable[[], Any]) -> list[tuple[Path, str, int]]:
    """The waits without a place of a step with these stages, through the whole of rnnprof."""
    return sorted((one.path, one.call, one.count) for one in all_waits_of(**stages) if not one.file)


def all_waits_of(**stages: Callable[[], Any]) -> tuple[Wait, ...]:
    with rnnprof.profile(None, probe=True, warmup=2, control_every=0) as prof:
        for _ in range(3):
            with prof.step():
                for name, run in stages.items():
                    with prof.stage(name):
                        run()
    assert prof.run.probe is not None, prof.run.notes
    assert not prof.run.notes
    rows = prof.run.probe.waits
    assert all(bool(one.file) == bool(one.line) and one.waited_ns is None for one in rows)
    return rows


@pytest.fixture(autouse=True)
def _no_warnings_of_old_masks() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "indexing with dtype torch.uint8")
        yield


X, WEIGHTS = torch.arange(12.0).view(3, 4), torch.arange(12.0).view(3, 4).requires_grad_()
MASK, ROWS = X > 5, torch.tensor([True, False, True])


def put(place: Any, value: Any) -> Callable[[], None]:
    return lambda: X.clone().__setitem__(place, value)


def test_indexing_with_masks_waits():
    cases: dict[str, Callable[[], Any]] = {
        "get": lambda: X[MASK],
        "rows": lambda: X[ROWS],
        "columns": lambda: X[:, [True, False, True, True]],
        "mixed": lambda: X[ROWS, 1:],
        "bytes": lambda: X[MASK.to(torch.uint8)],
        "set": put(MASK, torch.zeros(6)),
        "set_rows": put(ROWS, torch.zeros(2, 4)),
        "accumulate": lambda: X.index_put((MASK,), torch.tensor(1.0), accumulate=True),
    }
    assert waits_of(**cases) == sorted(((name,), "tensor[mask]", 1) for name in cases)


def test_a_mask_with_a_number_and_other_indices_do_not():
    cases: dict[str, Callable[[], Any]] = {
        "fill": put(MASK, 1.0),
        "fill_rows": put(ROWS, 1),
        "fill_tensor": put(MASK, torch.zeros(())),
        "masked_fill": lambda: X.masked_fill(MASK, 0),
        "masked_scatter": lambda: X.masked_scatter(MASK, X),
        "places": lambda: (X[1], X[[0, 1]], X[torch.tensor([0, 1])], X[..., None], X[1:, ::2], X[True]),
        "where": lambda: torch.where(MASK, X, -X),
    }
    assert waits_of(**cases) == []


def test_the_backward_pass_of_a_mask_waits_as_well():
    kept: list[Any] = []

    def forward() -> None:
        changed = WEIGHTS * 1
        changed[MASK] = WEIGHTS[MASK] * 2
        kept[:] = [changed.sum()]

    found = waits_of(forward=forward, backward=lambda: kept[0].backward())
    assert found == [(("backward",), "tensor[mask]", 3), (("forward",), "tensor[mask]", 2)]


def test_what_is_found_by_name_is_not_counted_again():
    """Whatever is watched, and may look at elements of its tensors."""
    numbers = torch.arange(6)
    cases: dict[str, Callable[[], Any]] = {
        "print": lambda: [
            repr(one) for one in (X, X / 0, torch.randn(2000), X.to(torch.complex64), MASK, X.to_sparse())
        ],
        "nonzero": lambda: (X.nonzero(), X.nonzero(as_tuple=True), X.argwhere()),
        "unique": lambda: (X.unique(dim=0), X.unique_consecutive(), X.unique(return_counts=True)),
        "equal": lambda: (X.allclose(X / 0, equal_nan=True), X.equal(X), 3 in X),
        "linalg": lambda: torch.eye(3).inverse(),
        "save": lambda: torch.save(X, io.BytesIO()),
        "lengths": lambda: (numbers.bincount(), numbers.repeat_interleave(numbers)),
        "host": lambda: (X.tolist(), X.numpy(), X.cpu(), X.to("cpu"), torch.tensor([1])),
        "choice": lambda: bool(MASK.any()),
        "clip": lambda: nn.utils.clip_grad_norm_([WEIGHTS], 1.0, error_if_nonfinite=True),
        "select": lambda: X.masked_select(MASK),
    }
    found = all_waits_of(**cases)
    assert [one for one in found if not one.file] == []
    assert {one.path[0] for one in found} == {*cases} - {"save"}


def test_functions_are_found_by_their_stage():
    numbers = torch.arange(6)
    functional = nn.functional
    cases: dict[str, tuple[str, Callable[[], Any]]] = {
        "nonzero": ("torch.nonzero", lambda: torch.nonzero(X)),
        "tuple": ("torch.nonzero", lambda: torch.nonzero(X, as_tuple=True)),
        "argwhere": ("torch.argwhere", lambda: torch.argwhere(X)),
        "where": ("torch.where", lambda: torch.where(MASK)),
        "select": ("torch.masked_select", lambda: torch.masked_select(X, MASK)),
        "unique": ("torch.unique", lambda: torch.unique(X, return_counts=True)),
        "rows": ("torch.unique", lambda: torch.unique(X, dim=0)),
        "runs": ("torch.unique_consecutive", lambda: torch.unique_consecutive(X)),
        "bincount": ("torch.bincount", lambda: torch.bincount(numbers)),
        "repeats": ("torch.repeat_interleave", lambda: torch.repeat_interleave(numbers, numbers)),
        "one_hot": ("torch.nn.functional.one_hot", lambda: functional.one_hot(numbers)),
        "equal": ("torch.equal", lambda: torch.equal(X, X)),
        "allclose": ("torch.allclose", lambda: torch.allclose(X, X)),
        "is_nonzero": ("torch.is_nonzero", lambda: torch.is_nonzero(torch.ones(()))),
        "inv": ("torch.linalg.inv", lambda: torch.linalg.inv(torch.eye(2))),
        "inverse": ("torch.inverse", lambda: torch.inverse(torch.eye(2))),
        "solve": ("torch.linalg.solve", lambda: torch.linalg.solve(torch.eye(3), X)),
    }
    found = waits_of(**{name: run for name, (_, run) in cases.items()})
    assert found == sorted(((name,), call, 1) for name, (call, _) in cases.items())


def test_functions_that_need_not_count_do_not():
    numbers = torch.arange(6)
    cases: dict[str, Callable[[], Any]] = {
        "one_hot": lambda: nn.functional.one_hot(numbers, 6),
        "repeats": lambda: (
            torch.repeat_interleave(X, 2),
            torch.repeat_interleave(numbers, numbers, output_size=15),
        ),
        "linalg": lambda: torch.linalg.inv_ex(torch.eye(2)),
    }
    assert waits_of(**cases) == []


def test_a_loaders_own_masks_are_on_the_host_anyway():
    class Data(torch.utils.data.Dataset[Any]):
        def __len__(self) -> int:
            return 4

        def __getitem__(self, place: int) -> Any:
            return X[MASK]

    def batch() -> Any:
        return next(iter(torch.utils.data.DataLoader(Data(), batch_size=2)))[:, torch.ones(6).bool()]

    assert waits_of(batch=batch) == [(("batch",), "tensor[mask]", 1)]
