"""Kernels that are recorded once and launched as one, like a CUDA graph."""

from __future__ import annotations

from typing import Any


class FakeGraph:
    """The kernels that were launched while it was recorded; make one with `FakeDevice.capture`.

    As with CUDA, nothing may be timed, asked or waited for while a graph is recorded: it raises, and
    spoils the graph, so that whoever swallows the error is found out at the end of the recording.

    Args:
        device: the device.
    """

    def __init__(self, device: Any) -> None:
        self.kernels: list[int] = []
        """How long each kernel runs, in nanoseconds."""
        self.spoiled: str | None = None
        """What was done that must not be, or None."""
        self._device = device
        self._stream: Any = None

    def __enter__(self) -> FakeGraph:
        self._stream = self._device.current
        if self._device.recording is not None:
            raise RuntimeError("a graph is being recorded already")
        self._stream.graph = self._device.recording = self
        return self

    def __exit__(self, kind: Any, value: Any, traceback: Any) -> None:
        self._stream.graph = self._device.recording = None
        if self.spoiled is not None and kind is None:
            raise RuntimeError(f"the graph is spoiled: {self.spoiled} while it was recorded")

    def replay(self) -> Any:
        """Launch all kernels on the current stream, with one launch.

        Returns:
            When they run, as one kernel.

        Raises:
            RuntimeError: if it is being recorded still, or was spoiled.
        """
        if self._stream is None or self._stream.graph is self or self.spoiled is not None:
            raise RuntimeError("the graph has not been recorded")
        return self._device.launch(sum(self.kernels))
