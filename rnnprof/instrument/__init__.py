"""Measuring programs that nobody edited: reading them, rewriting them, and torch's hooks.

Once anything in it is imported, this package stands where users find the function
`rnnprof.instrument`: so it can be called like it.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Function:
    """What calling the package calls, imported when it is first used."""

    def __get__(self, package: ModuleType | None, kind: type) -> Any:
        from rnnprof.instrument.wrap import instrument

        return instrument


class _Package(ModuleType):
    """A package that is a function as well."""

    __call__ = _Function()


sys.modules[__name__].__class__ = _Package
