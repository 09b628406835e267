"""Traces by hand, as Kineto writes them; times in microseconds, on the CPU and on a simulated device."""

from __future__ import annotations

from typing import Any

MAIN = 100
"""The thread that runs the steps."""
BACKWARD = 101
"""Autograd's thread for the device."""
PROCESS = 99


class TraceBuilder:
    """Collects events; every method returns the one that it added, which a test may change."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self._external = 0

    def data(self, **more: Any) -> dict[str, Any]:
        """The trace."""
        return {"schemaVersion": 1, "deviceProperties": [], "traceEvents": self.events, **more}

    def host(self, category: str, name: str, start: float, end: float, tid: int = MAIN) -> dict[str, Any]:
        """Anything on a thread of the host."""
        self._external += 1
        event = {"ph": "X", "cat": category, "name": name, "pid": PROCESS, "tid": tid}
        event |= {"ts": start, "dur": end - start, "args": {"External id": self._external}}
        self.events.append(event)
        return event

    def label(self, name: str, start: float, end: float, tid: int = MAIN) -> dict[str, Any]:
        """An annotation: a step's, a stage's, or another."""
        return self.host("user_annotation", name, start, end, tid)

    def step(self, number: int, start: float, end: float) -> dict[str, Any]:
        """The label of a step."""
        return self.label(f"ProfilerStep#{number}", start, end)

    def op(self, name: str, start: float, end: float, tid: int = MAIN) -> dict[str, Any]:
        """An operator."""
        return self.host("cpu_op", name, start, end, tid)

    def launch(
        self, start: float, end: float, correlation: int, tid: int = MAIN, **more: Any
    ) -> dict[str, Any]:
        """The host's call that starts something on the device."""
        event = self.host(more.get("category", "cuda_runtime"), "cudaLaunchKernel", start, end, tid)
        event["args"] = {"correlation": correlation, "External id": more.get("external", 0)}
        return event

    def kernel(
        self, name: str, start: float, end: float, correlation: int | None = None, **more: Any
    ) -> dict[str, Any]:
        """A kernel or copy; ``stream``, ``device``, ``external`` and ``category`` can be given."""
        device = more.get("device", 0)
        event = self.host(more.get("category", "kernel"), name, start, end, more.get("stream", 7))
        event["pid"] = device
        event["args"] = {"device": device, "stream": more.get("stream", 7)}
        event["args"] |= {"External id": more.get("external", 0)}
        if correlation is not None:
            event["args"]["correlation"] = correlation
        return event


def cuda_training(steps: int = 2) -> TraceBuilder:
    """Steps of 1,000 µs on a simulated device, the backward pass on a thread of its own.

    In each: forward 0-300 (rnn in it, 50-250), backward 300-800, update 800-950; every kernel runs
    later than its launch, and the last one behind the label of its step's update.
    """
    trace = TraceBuilder()
    for number in range(steps):
        at, ids = number * 1000, number * 10
        trace.step(number, at, at + 1000)
        trace.label("forward", at, at + 300)
        trace.label("rnn", at + 50, at + 250)
        cudnn = trace.op("aten::_cudnn_rnn", at + 60, at + 200)["args"]["External id"]
        trace.launch(at + 70, at + 80, ids + 1, external=cudnn)
        trace.kernel("rnn_forward", at + 100, at + 350, ids + 1, external=cudnn)
        trace.label("backward", at + 300, at + 800)
        trace.label("autograd::engine::evaluate_function: CudnnRnnBackward0", at + 310, at + 700, BACKWARD)
        behind = trace.op("CudnnRnnBackward0", at + 320, at + 690, BACKWARD)["args"]["External id"]
        trace.launch(at + 330, at + 340, ids + 2, BACKWARD, external=behind)
        trace.kernel("rnn_backward", at + 400, at + 780, ids + 2, external=behind)
        trace.label("update", at + 800, at + 950)
        trace.label("Optimizer.step#SGD.step", at + 810, at + 940)
        add = trace.op("aten::add_", at + 820, at + 830)["args"]["External id"]
        trace.launch(at + 822, at + 826, ids + 3, external=add)
        trace.kernel("add", at + 840, at + 860, ids + 3, external=add)
        trace.launch(at + 900, at + 905, ids + 4)
        trace.kernel("Memset (Device)", at + 910, at + 915, ids + 4, category="gpu_memset")
    return trace


CUDA_PATHS = [("forward",), ("forward", "rnn"), ("backward",), ("update",)]
