"""What a run keeps of its traces, made for tests: a word language model's, and arbitrary ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from rnnprof.captures import (
    OTHERS,
    Function,
    Functions,
    Kernel,
    Operator,
    Path,
    StageFunctions,
    Trace,
    TracedStage,
)

TORCH = "/home/user/venv/lib/python3.11/site-packages/torch"
HOME = "/home/user/word_language_model"

OPERATORS: dict[Path, tuple[tuple[str, int, float], ...]] = {
    ("get_batch",): (("aten::slice", 2, 0.1), ("aten::reshape", 1, 0.1)),
    ("forward", "encoder"): (("aten::embedding", 1, 0.7), ("aten::dropout", 1, 0.2)),
    ("forward", "rnn"): (
        ("aten::addmm", 70, 0.55), ("aten::sigmoid_", 105, 0.12), ("aten::mul", 105, 0.08),
        ("aten::tanh", 70, 0.07), (OTHERS, 212, 0.06),
    ),
    ("forward", "decoder"): (("aten::addmm", 1, 0.95), ("aten::view", 3, 0.01)),
    ("loss",): (("aten::_log_softmax", 1, 0.8), ("aten::nll_loss_forward", 1, 0.1)),
    ("backward",): (("aten::mm", 142, 0.7), ("aten::sum", 71, 0.1), ("aten::copy_", 140, 0.1)),
    ("clip",): (("aten::linalg_vector_norm", 11, 0.4), ("aten::mul_", 11, 0.4)),
    ("update",): (("aten::add_", 11, 0.9),),
}  # fmt: skip
"""Name, calls in a step, and part of the stage's self time of each operator."""

KERNELS = {"aten::addmm": "ampere_sgemm_128x64_tn", "aten::mm": "ampere_sgemm_64x32_sliced1x4_nn"}


def trace_of(self_ns: dict[Path, int], first: int = 20, steps: int = 3, device: bool = False) -> Trace:
    """A window of equal steps.

    Args:
        self_ns: self time of each stage in one step, parents first; the empty path is the step's rest.
        first: number of the first step.
        steps: how many.
        device: whether there are kernels: each operator has one, which takes half of its time.
    """
    stages = []
    for path, own in self_ns.items():
        total = sum(ns for other, ns in self_ns.items() if other[: len(path)] == path)
        found = [(name, calls, round(own * part)) for name, calls, part in OPERATORS.get(path, ())]
        kernels = [Kernel(KERNELS.get(name, f"void {name[6:]}<float>(int)"), calls * steps, ns // 2 * steps)
                   for name, calls, ns in found if device]  # fmt: skip
        stages.append(
            TracedStage(
                path=path,
                calls=steps,
                total_ns=total * steps,
                operators=tuple(
                    Operator(name, calls * steps, ns * steps, ns // 2 * steps if device else 0)
                    for name, calls, ns in found
                ),
                kernels=tuple(kernels),
                launches=sum(kernel.calls for kernel in kernels),
                busy_ns=sum(kernel.device_ns for kernel in kernels),
                gap_ns=own * steps // 10 if device and found else 0,
            )
        )
    name = f"run.trace/steps-{first}-{first + steps - 1}.trace.json.gz"
    return Trace(first, steps, stages[0].total_ns, name, 1_234_567, device, stages=tuple(stages))


def functions_of(self_ns: dict[Path, int], steps: int = 16, loop_steps: int = 200) -> Functions:
    """What cProfile saw of equal steps: `self_ns` is the self time of each stage in one step."""
    places = {
        ("forward", "rnn"): ("~", 0, "<built-in method torch.lstm>", 1.0),
        ("forward", "decoder"): ("~", 0, "<built-in method torch._C._nn.linear>", 0.97),
        ("forward", "encoder"): ("~", 0, "<built-in method torch.embedding>", 0.9),
        ("backward",): ("~", 0, "<method 'run_backward' of 'torch._C._EngineBase' objects>", 0.999),
        ("loss",): ("~", 0, "<built-in method torch._C._nn.nll_loss_nd>", 0.6),
        ("clip",): (f"{TORCH}/nn/utils/clip_grad.py", 38, "_get_total_norm", 0.5),
        ("update",): ("~", 0, "<method 'add_' of 'torch._C.TensorBase' objects>", 0.8),
        ("zero_grad",): (f"{TORCH}/nn/modules/module.py", 2937, "zero_grad", 0.5),
        ("forward",): (f"{HOME}/model.py", 43, "forward", 0.6),
        ("get_batch",): (f"{HOME}/main.py", 139, "get_batch", 0.7),
        ("repackage",): (f"{HOME}/main.py", 113, "repackage_hidden", 0.6),
    }

    def function(path: Path, visits: int) -> Function:
        file, line, name, part = places[path]
        own = round(self_ns[path] * part) * visits
        recursive = 3 if path == ("repackage",) else 1
        inside = sum(ns for other, ns in self_ns.items() if path and other[: len(path)] == path)
        return Function(file, line, name, visits * recursive, visits, own, max(inside * visits, own))

    kept = sorted((function(path, loop_steps) for path in places), key=lambda one: -one.own_ns)
    stages = [
        StageFunctions(path, own * steps, (function(path, steps),) if path in places else ())
        for path, own in self_ns.items()
    ]
    setup = (
        Function(f"{HOME}/data.py", 32, "tokenize", 3, 3, 1_300_000_000, 2_140_000_000),
        Function("~", 0, "<method 'split' of 'str' objects>", 36718, 36718, 210_000_000, 210_000_000),
    )
    return Functions(
        file="run.prof",
        loop_file="run.loop.prof",
        setup_ns=2_203_000_000,
        loop_ns=sum(self_ns.values()) * loop_steps,
        setup=setup,
        loop=tuple(kept),
        steps=steps,
        stages=tuple(stages),
    )


NAMES = ("aten::mm", "aten::add_", OTHERS, "in no operator", "=1+1", "[red]x[/]", "\x1b[2J", "", "训练")
FILES = ("~", f"{TORCH}/nn/modules/rnn.py", f"{HOME}/main.py", "/b/main.py", "C:\\x\\main.py", "<string>", "")
TIME = st.integers(0, 10**9) | st.integers(0, 50) | st.just(2**63 - 1)
COUNT = st.integers(0, 10**6)


@st.composite
def functions_in(draw: st.DrawFn) -> tuple[Function, ...]:
    """Arbitrary functions, longest first."""
    found = []
    for _ in range(draw(st.integers(0, 5))):
        calls = draw(COUNT)
        own = draw(TIME)
        place = draw(st.sampled_from(FILES)), draw(st.integers(0, 99)), draw(st.sampled_from(NAMES))
        found.append(Function(*place, calls, draw(st.integers(0, calls)), own, max(own, draw(TIME))))
    return tuple(sorted(found, key=lambda one: -one.own_ns))


@st.composite
def functions(draw: st.DrawFn, tree: Sequence[Path]) -> Functions:
    """What cProfile may have seen of a program with these stages; the sums may contradict the parts."""
    steps = draw(st.integers(0, 16))
    stages = [StageFunctions(path, draw(TIME), draw(functions_in())) for path in tree if draw(st.booleans())]
    parts = draw(functions_in()), draw(functions_in())
    return Functions("run.prof", "run.loop.prof", draw(TIME), draw(TIME), *parts, steps, tuple(stages))


@st.composite
def traces(draw: st.DrawFn, tree: Sequence[Path]) -> Trace:
    """One window; children may claim more time than their parents, and stages be absent."""
    device = draw(st.booleans())
    stages = []
    for path in tree:
        if draw(st.integers(0, 4)) == 0:
            continue
        names = draw(st.lists(st.sampled_from(NAMES), max_size=5))
        operators = tuple(Operator(name, draw(COUNT), draw(TIME), device * draw(TIME)) for name in names)
        kernels = tuple(Kernel(name, draw(COUNT), draw(TIME)) for name in names if device)
        more = [draw(COUNT), draw(TIME), draw(TIME)] if device else [0, 0, 0]
        stages.append(TracedStage(path, draw(COUNT), draw(TIME), operators, kernels, *more))
    about = draw(st.integers(0, 10**6)), draw(st.integers(0, 5)), draw(TIME)
    options = [draw(st.booleans()) for _ in range(3)]
    return Trace(*about, "run.trace/a b.json.gz", draw(TIME), device, *options, tuple(stages))


@st.composite
def captures(draw: st.DrawFn, tree: Sequence[Path]) -> dict[str, Any]:
    """The parts of a run that its traces filled."""
    return {
        "traces": tuple(draw(st.lists(traces(tree), max_size=2))),
        "functions": draw(st.none() | functions(tree)),
    }
