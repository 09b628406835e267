"""torch's profiler without its wrapper: it starts at once, and looks at the host alone."""

from __future__ import annotations

from typing import Any

from rnnprof.traces.probe.hush import Hush


class PlainProfiler:
    """torch's profiler without its wrapper, whose start imports hundreds of modules.

    It looks at the host alone, also where there is a device: no kernel is traced.

    Args:
        torch: the module.
    """

    def __init__(self, torch: Any) -> None:
        self._hush = Hush(torch)
        self._profiler = torch.autograd.profiler.profile(
            use_kineto=True, record_shapes=True, profile_memory=self._hush.possible
        )

    def start(self) -> None:
        """Begin."""
        self._hush.start()
        try:
            self._profiler.__enter__()
        except BaseException:
            self._hush.stop()
            raise

    def stop(self) -> None:
        """End."""
        try:
            self._profiler.__exit__(None, None, None)
        finally:
            self._hush.stop()

    def export_chrome_trace(self, file: str) -> None:
        """Write what it saw."""
        # By `map`, which calls it unseen: before cProfile of Python 3.12 this method seems to return
        # twice, and the function around is taken for ended.
        list(map(self._profiler.kineto_results.save, [file]))
