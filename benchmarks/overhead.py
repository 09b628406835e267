"""What a mark costs: in a tight loop, and in place between the operators of a language model.

    python benchmarks/overhead.py [--rounds 200] [--steps 10000] [--quick]

Everything runs interleaved in one process, and every figure is a ratio to its neighbour in time.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import statistics
import textwrap
import time
from collections.abc import Callable
from time import perf_counter_ns
from typing import Any

from measure import interleaved, machine, median_with_interval, ratio

import rnnprof
from rnnprof import marks

STAGES = ("get_batch", "repackage", "zero_grad", "forward", "loss", "backward", "update")


# ---- in a tight loop -------------------------------------------------------------------------


def bare(count: int) -> float:
    """Two clock reads and an append: the least that anyone's own timing costs."""
    spans: list[int] = []
    append, clock = spans.append, perf_counter_ns
    start = clock()
    for _ in range(count):
        begin = clock()
        append(clock() - begin)
    return (clock() - start) / count


def one_stage(stage: Callable[[str], Any]) -> Callable[[int], float]:
    """`with stage(name)`, empty."""

    def timed(count: int) -> float:
        start = perf_counter_ns()
        for _ in range(count):
            with stage("forward"):
                pass
        return (perf_counter_ns() - start) / count

    return timed


def in_a_step(prof: rnnprof.profile) -> Callable[[int], float]:
    """`with prof.stage(name)` inside a step, where it usually stands."""

    def timed(count: int) -> float:
        with prof.step():
            start = perf_counter_ns()
            for _ in range(count):
                with prof.stage("forward"):
                    pass
            return (perf_counter_ns() - start) / count

    return timed


def bound_early(stage: Any) -> Callable[[int], float]:
    """`with forward:` of a stage that was asked for before the loop."""

    def timed(count: int) -> float:
        start = perf_counter_ns()
        for _ in range(count):
            with stage:
                pass
        return (perf_counter_ns() - start) / count

    return timed


def seven_stages(prof: rnnprof.profile) -> Callable[[int], float]:
    """A step of seven stages, with everything that happens between steps; time for each stage."""

    def timed(count: int) -> float:
        count //= 8
        start = perf_counter_ns()
        for _ in range(count):
            with prof.step(tokens=700):
                with prof.stage("get_batch"):
                    pass
                with prof.stage("repackage"):
                    pass
                with prof.stage("zero_grad"):
                    pass
                with prof.stage("forward"):
                    pass
                with prof.stage("loss"):
                    pass
                with prof.stage("backward"):
                    pass
                with prof.stage("update"):
                    pass
        return (perf_counter_ns() - start) / count / 7

    return timed


def seven_marks(prof: rnnprof.profile) -> Callable[[int], float]:
    """The same step divided by boundary marks, as `rnnprof run` writes them; time for each stage."""
    a, b, c, d, e, f, g = map(marks.Mark, STAGES)

    def timed(count: int) -> float:
        count //= 8
        start = perf_counter_ns()
        for _ in range(count):
            with prof.step(tokens=700):
                a()
                b()
                c()
                d()
                e()
                f()
                g()
        return (perf_counter_ns() - start) / count / 7

    return timed


def boundaries(prof: rnnprof.profile) -> Callable[[int], float]:
    """Marks alone inside a step: each ends a stage and begins the next."""
    a, b = marks.Mark("forward"), marks.Mark("backward")

    def timed(count: int) -> float:
        count //= 2
        with prof.step():
            start = perf_counter_ns()
            for _ in range(count):
                a()
                b()
            return (perf_counter_ns() - start) / count / 2

    return timed


def idle_mark(count: int) -> float:
    """A mark where nothing records."""
    mark = marks.Mark("forward")
    start = perf_counter_ns()
    for _ in range(count):
        mark()
    return (perf_counter_ns() - start) / count


def tight(rounds: int, count: int) -> None:
    """Print the table of the tight loop."""
    prof = rnnprof.profile(None, control_every=0, warmup=0).start()
    recording = {
        "bare pair of clock reads with an append": bare,
        "prof.stage(name) in a step": in_a_step(prof),
        "prof.stage(name) outside steps": one_stage(prof.stage),
        "rnnprof.stage(name)": one_stage(rnnprof.stage),
        "stage bound early": bound_early(prof.stage("early")),
        "step of seven stages, each": seven_stages(prof),
        "boundary mark in a step": boundaries(prof),
        "step of seven boundary marks, each": seven_marks(prof),
        "contextlib.nullcontext()": one_stage(lambda name: contextlib.nullcontext()),
    }
    with contextlib.suppress(ImportError):
        from torch.profiler import record_function

        recording["torch record_function(name)"] = one_stage(record_function)
    found = interleaved(recording, rounds, count)
    prof.stop()
    idle = {
        "bare ": bare,
        "rnnprof.stage(name), no profile": one_stage(rnnprof.stage),
        "boundary mark, no profile": idle_mark,
    }
    found |= interleaved(idle, rounds, count)
    print(f"In a tight loop, {rounds} rounds of {count:,}; marks in {'C' if marks.NATIVE else 'Python'}:")
    for name, values in found.items():
        base = found["bare " if name in idle else "bare pair of clock reads with an append"]
        middle, low, high = ratio(values, base)
        print(f"  {name:42s} {statistics.median(values):7.0f} ns   x {middle:.2f}  ({low:.2f} to {high:.2f})")


# ---- in place --------------------------------------------------------------------------------

BODY = """
def step(model, source, targets, state, lr, {names}):
    {open_step}
    {get_batch}
        data, target = source[:35], targets[:35]
    {repackage}
        state = tuple(part.detach() for part in state)
    {zero_grad}
        for p in parameters:
            p.grad = None
    {forward}
        hidden, state = model.rnn(model.encoder(data), state)
        scores = model.decoder(hidden).view(-1, 50)
    {loss}
        loss = cross_entropy(scores, target.view(-1))
    {backward}
        loss.backward()
    {update}
        for p in parameters:
            p.data.add_(p.grad, alpha=-lr)
    {close_step}
    return state
"""


def compiled(kind: str, namespace: dict[str, Any]) -> Callable[..., Any]:
    """The same step with marks of one kind, or none."""
    lines = []
    for line in BODY.strip().splitlines():
        name = line.strip().strip("{}")
        if name in STAGES:
            lines.append(
                {"hand": f"    t = time.perf_counter()  # {name}", "none": "    if True:"}.get(kind, "")
            )
            if kind == "hand":
                lines.append("    if True:")
            elif kind == "rnnprof":
                lines[-1] = f'    with prof.stage("{name}"):'
            elif kind == "module":
                lines[-1] = f'    with rnnprof.stage("{name}"):'
            pending = name
        elif name in ("open_step", "close_step", "names"):
            continue
        else:
            lines.append(line.replace(", {names}", ""))
            # Marks by hand close after the last line of their block.
            if kind == "hand" and line.startswith("        ") and _last_of_block(line):
                lines.append(f'    spans["{pending}"].append(time.perf_counter() - t)')
    text = "\n".join(lines)
    if kind == "rnnprof":
        head, *rest = text.splitlines()
        inside = textwrap.indent("\n".join(rest[:-1]), "    ")
        text = f"{head}\n    with prof.step(tokens=700):\n{inside}\n{rest[-1]}"
    if kind == "hand":
        head, *rest = text.splitlines()
        text = "\n".join(
            [
                head,
                "    begin = time.perf_counter()",
                *rest[:-1],
                "    steps.append(time.perf_counter() - begin)",
                rest[-1],
            ]
        )
    scope: dict[str, Any] = dict(namespace)
    exec(text, scope)  # the text is the template above
    step: Callable[..., Any] = scope["step"]
    return step


def _last_of_block(line: str) -> bool:
    last = (
        "data, target",
        "state = tuple",
        "p.grad = None",
        "scores =",
        "loss =",
        "loss.backward",
        "p.data.add_",
    )
    return line.strip().startswith(last)


BLOCK = 200


def _quick(times: list[float]) -> float:
    """The first quartile: of steps that nothing else on the machine disturbed."""
    return statistics.quantiles(times, n=4)[0]


def in_place(steps: int) -> None:
    """Print what marks add to a language model's step, variants in turn step by step."""
    import torch
    from torch import nn
    from torch.nn.functional import cross_entropy

    torch.manual_seed(1)
    torch.set_num_threads(1)
    model = nn.Module()
    model.encoder, model.rnn, model.decoder = nn.Embedding(50, 32), nn.LSTM(32, 96, 1), nn.Linear(96, 50)
    source = torch.randint(50, (36, 8))
    prof = rnnprof.profile(None, warmup=0, control_every=0).start()
    namespace = {
        "parameters": list(model.parameters()),
        "cross_entropy": cross_entropy,
        "prof": prof,
        "rnnprof": rnnprof,
        "time": time,
        "spans": {name: [] for name in STAGES},
        "steps": [],
    }
    variants = {
        "none": compiled("none", namespace),
        "none again": compiled("none", namespace),
        "by hand, perf_counter": compiled("hand", namespace),
        "rnnprof": compiled("rnnprof", namespace),
    }
    state: Any = (torch.zeros(1, 8, 96), torch.zeros(1, 8, 96))
    names, dice = list(variants), random.Random(0)
    times: dict[str, list[float]] = {name: [] for name in names}
    for number in range(steps + 50):
        dice.shuffle(names)
        for name in names:
            step = variants[name]
            start = perf_counter_ns()
            state = step(model, source, source[1:], state, 0.01)
            if number >= 50:
                times[name].append((perf_counter_ns() - start) / 1000)
    prof.stop()
    base = statistics.median(times["none"])
    print(f"\nIn place, a language model's step of {base / 1000:.2f} ms, {steps:,} rounds in turn:")
    added: dict[str, tuple[float, float, float]] = {}
    for name in variants:
        added[name] = median_with_interval(
            [
                _quick(times[name][at : at + BLOCK])
                - (_quick(times["none"][at : at + BLOCK]) + _quick(times["none again"][at : at + BLOCK])) / 2
                for at in range(0, steps - BLOCK + 1, BLOCK)
            ]
        )
        middle, low, high = added[name]
        print(
            f"  {name:24s} adds {middle:6.2f} µs ({low:.2f} to {high:.2f})   {middle / base:+.2%} of the step"
        )
    hand, ours = added["by hand, perf_counter"], added["rnnprof"]
    low, high = ours[1] / hand[2] if hand[2] > 0 else 0, ours[2] / hand[1] if hand[1] > 0 else float("inf")
    print(f"  rnnprof adds x {ours[0] / hand[0]:.2f} ({low:.2f} to {high:.2f}) what marks by hand add")


def emptied(rounds: int) -> None:
    """Print the same with a copy of 2 MiB in place of each operator: its time hardly varies."""
    source, target = bytes(2 << 20), memoryview(bytearray(2 << 20))

    def work() -> None:
        target[:] = source

    prof = rnnprof.profile(None, warmup=0, control_every=0).start()
    spans: dict[str, list[float]] = {name: [] for name in STAGES}
    scope = {"prof": prof, "work": work, "time": time, "spans": spans}
    by_hand = [
        line
        for name in STAGES
        for line in ("t = time.perf_counter()", "work()", f'spans["{name}"].append(time.perf_counter() - t)')
    ]
    marked = [line for name in STAGES for line in (f'    with prof.stage("{name}"):', "        work()")]
    bodies = {
        "none": ["work()"] * len(STAGES),
        "none again": ["work()"] * len(STAGES),
        "by hand, perf_counter": ["begin = time.perf_counter()", *by_hand, "time.perf_counter() - begin"],
        "rnnprof": ["with prof.step(tokens=700):", *marked],
    }
    variants = {}
    for name, lines in bodies.items():
        local: dict[str, Any] = dict(scope)
        exec("def step():\n    " + "\n    ".join(lines), local)  # the lines are those above
        variants[name] = local["step"]
    names, dice = list(variants), random.Random(0)
    times: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        dice.shuffle(names)
        for name in names:
            start = perf_counter_ns()
            variants[name]()
            times[name].append((perf_counter_ns() - start) / 1000)
    prof.stop()
    print(f"\nBetween copies of 2 MiB that empty the caches, {rounds:,} rounds in turn:")
    plain = [(a + b) / 2 for a, b in zip(times["none"], times["none again"], strict=True)]
    added = {
        name: median_with_interval([a - b for a, b in zip(times[name], plain, strict=True)])
        for name in variants
    }
    for name, (middle, low, high) in added.items():
        print(f"  {name:24s} adds {middle:6.2f} µs ({low:.2f} to {high:.2f})")
    hand, ours = added["by hand, perf_counter"], added["rnnprof"]
    ends = f"{ours[1] / hand[2]:.2f} to {ours[2] / hand[1]:.2f}"
    print(f"  rnnprof adds x {ours[0] / hand[0]:.2f} ({ends}) what marks by hand add")


def main() -> None:
    """Run both parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--count", type=int, default=8192)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--quick", action="store_true", help="a few rounds, to see that it runs")
    parser.add_argument("--no-torch", action="store_true", help="only the tight loop")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.count, options.steps = 5, 800, 2 * BLOCK
    print(machine())
    tight(options.rounds, options.count)
    emptied(options.rounds * 20)
    if not options.no_torch:
        in_place(options.steps)


if __name__ == "__main__":
    main()
