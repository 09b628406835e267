"""Where does the time of a recurrent training loop go, and is that the truth?

The public names; each is imported when it is first used.
"""

from __future__ import annotations

# Importing `typing` would take longer than everything else here.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any

    from rnnprof._version import __version__
    from rnnprof.active import lane, stage, step, steps
    from rnnprof.analysis.advice.advise import advise
    from rnnprof.analysis.breakdown import breakdown
    from rnnprof.analysis.compare import compare
    from rnnprof.errors import NestingError, RnnprofError, RunFileError, TraceError, UsageError
    from rnnprof.instrument.attach import attach
    from rnnprof.instrument.wrap import instrument
    from rnnprof.profiler import profile
    from rnnprof.runfile import load, save
    from rnnprof.traces.options import Tracing

_WHERE = {
    "NestingError": "rnnprof.errors",
    "RnnprofError": "rnnprof.errors",
    "RunFileError": "rnnprof.errors",
    "TraceError": "rnnprof.errors",
    "Tracing": "rnnprof.traces.options",
    "UsageError": "rnnprof.errors",
    "__version__": "rnnprof._version",
    "advise": "rnnprof.analysis.advice.advise",
    "attach": "rnnprof.instrument.attach",
    "breakdown": "rnnprof.analysis.breakdown",
    "compare": "rnnprof.analysis.compare",
    "instrument": "rnnprof.instrument.wrap",
    "lane": "rnnprof.active",
    "load": "rnnprof.runfile",
    "profile": "rnnprof.profiler",
    "save": "rnnprof.runfile",
    "stage": "rnnprof.active",
    "step": "rnnprof.active",
    "steps": "rnnprof.active",
}

__all__ = [
    "NestingError",
    "RnnprofError",
    "RunFileError",
    "TraceError",
    "Tracing",
    "UsageError",
    "__version__",
    "advise",
    "attach",
    "breakdown",
    "compare",
    "instrument",
    "lane",
    "load",
    "profile",
    "save",
    "stage",
    "step",
    "steps",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'rnnprof' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_WHERE[name]), name)
    # The package `instrument` has the name of its function, and is here by now; it can be called.
    return globals().setdefault(name, value)


def __dir__() -> list[str]:
    return sorted([*globals(), *_WHERE])
