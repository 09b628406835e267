"""What a run keeps of its probe, made for tests: parts of one, and arbitrary ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from rnnprof.probes import Memory, Path, Place, Probe, ProbedStage, Wait, Work
from tests import anatomy_builder

HOME = "/home/user/word_language_model"
TORCH = "/home/user/venv/lib/python3.11/site-packages/torch"

A100 = {
    "name": "NVIDIA A100-SXM4-40GB",
    "capability": "8.0",
    "multiprocessors": 108,
    "clock_hz": 1_410_000_000,
    "memory_clock_hz": 1_215_000_000,
    "memory_bus_bits": 5120,
    "memory_bytes": 42_298_834_944,
}
"""What the driver says of a card."""


def wait_of(line: int, path: Path = ("log",), **changed: Any) -> Wait:
    """A wait in the program's main file."""
    given: dict[str, Any] = {
        "path": path,
        "way": "item",
        "call": "Tensor.item",
        "file": f"{HOME}/main.py",
        "line": line,
        "function": "train",
        "source": "total_loss += loss.item()",
        "library": "",
        "count": 1,
        "waited_ns": 1_000_000,
    }
    return Wait(**(given | changed))


PLACES = ("cuda:0", "cpu", "resident")
NAMES = ("float32", "bfloat16", *PLACES, "=1+1", "[red]x[/]", "\x1b[2J", "", "训练")
FILES = (f"{HOME}/main.py", "/b/main.py", f"{TORCH}/nn/utils/clip_grad.py", "C:\\x\\main.py", "<string>", "")
COUNT = st.integers(0, 10**6) | st.integers(0, 3) | st.just(2**63 - 1)
SIGNED = st.integers(-(10**9), 10**9) | st.just(-(2**63)) | st.just(0)


@st.composite
def probes(draw: st.DrawFn, tree: Sequence[Path]) -> Probe:
    """An arbitrary probe of a program with these stages, which may lack some and contradict itself."""
    name = st.sampled_from(NAMES)

    def some() -> list[tuple[Path, str]]:
        pairs = st.tuples(st.sampled_from(tree), name)
        return draw(st.lists(pairs, max_size=2 * len(tree), unique=True))

    def whole() -> int | None:
        return draw(st.none() | COUNT)

    named = draw(st.lists(st.sampled_from(PLACES), max_size=3, unique=True))
    waits = [
        Wait(path, draw(st.sampled_from(("item", "cpu", "=x"))), call, draw(st.sampled_from(FILES)),
             draw(st.integers(0, 999)), call, draw(name), draw(name), draw(COUNT), whole())
        for path, call in some()
    ]  # fmt: skip
    return Probe(
        step=draw(COUNT),
        device=draw(st.sampled_from(("cpu", "cuda", "mps"))),
        total_ns=draw(COUNT),
        stages=tuple(ProbedStage(path, draw(COUNT), draw(COUNT)) for path in tree if draw(st.booleans())),
        waits=tuple(waits),
        more_waits=draw(st.integers(0, 3)),
        work=tuple(Work(path, dtype, draw(COUNT), draw(COUNT), draw(COUNT)) for path, dtype in some()),
        uncounted=tuple(draw(st.lists(name, max_size=6))),
        memory=tuple(
            Memory(path, place, draw(SIGNED), draw(SIGNED), whole(), draw(st.none() | SIGNED))
            for path, place in some()
        ),
        places=tuple(Place(place, whole(), whole(), whole()) for place in named),
        anatomy=draw(st.none() | anatomy_builder.ANATOMIES),
    )


PEAKS: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    (
        {},
        {"device_properties": A100, "cudnn_tf32": True},
        {"peaks": {"flops": {"float32": 9e11, "\x1b": 5e9}, "bytes": 2e10}},
        {"peaks": {"flops": [1], "bytes": "fast"}, "device_properties": {"name": 3, "capability": [8, 0]}},
        {"peaks": {"flops": {"float32": 10**400, "int64": 0, "float64": True}, "bytes": -1}},
        {"device_properties": {**A100, "multiprocessors": 0, "memory_clock_hz": 1e300}},
    )
)
"""What an environment may say of peaks, broken ones included."""
