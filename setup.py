"""The compiled hot path, and the callback of garbage collection; everything else is in pyproject.toml.

Both are optional: where there is no C compiler, the twin in Python of the one serves, and a run says so;
without the other, pauses of garbage collection are not told apart.
"""

from setuptools import Extension, setup

NAMES = ("_marks", "_pauses")
CLOCK = ["rnnprof/_clock.h"]
setup(
    ext_modules=[
        Extension(f"rnnprof.{name}", [f"rnnprof/{name}.c"], depends=CLOCK, optional=True) for name in NAMES
    ]
)
