"""Operators by hand, with their arguments as torch's profiler writes them."""

from __future__ import annotations

from typing import Any

from rnnprof.traces.probe.shapes import Call


class Given:
    """A tensor among the arguments of an operator."""

    def __init__(self, *dims: int, dtype: str = "float", strides: list[int] | None = None) -> None:
        self.dims, self.dtype = list(dims), dtype
        self.strides = [1] * len(dims) if strides is None else strides


def written(*arguments: Any) -> dict[str, Any]:
    """Arguments as the profiler writes them: `Given`, lists of it, None, numbers and lists of numbers."""
    args: dict[str, Any] = {
        key: [] for key in ("Input Dims", "Input Strides", "Input type", "Concrete Inputs")
    }
    for one in arguments:
        kind, dims, strides, text = "Scalar", [], [], str(one)
        if isinstance(one, Given):
            kind, dims, strides, text = one.dtype, one.dims, one.strides, ""
        elif isinstance(one, list) and any(isinstance(each, Given) for each in one):
            kind, dims, strides, text = "TensorList", [e.dims for e in one], [e.strides for e in one], ""
        elif one is None:
            kind, text = "", ""
        elif isinstance(one, list):
            kind = "ScalarList"
        for key, value in zip(args, (dims, strides, kind, text), strict=True):
            args[key].append(value)
    return args


def call(name: str, *arguments: Any) -> Call:
    return Call(name, written(*arguments))
