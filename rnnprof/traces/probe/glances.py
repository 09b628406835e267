"""Looks at the moment in which an attribute is asked for, which a caller does just before the call.

What is given is the original itself. So less changes than with a function around it: no frame of
ours is in a traceback, and no warning is given for it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType, ModuleType
from typing import Any

ABSENT = object()
"""What a class or module had of its own by a name, where it had nothing."""

Glanced = Callable[[Any, FrameType], None]
"""Told of what an attribute was asked of (None for the class itself), and the frame that asked. It
does not raise."""


def glance(owner: Any, name: str, glanced: Glanced) -> Callable[[], None]:
    """Be told whenever an attribute is looked up.

    Args:
        owner: a class or a module.
        name: the attribute, which is there.
        glanced: told of each look-up.

    Returns:
        What puts all back as it was; of several looks, the last one first.
    """
    if isinstance(owner, ModuleType) and name in vars(owner):
        own = type(owner)
        body = {name: _ModuleGlance(name, glanced), "__module__": own.__module__}
        seen: Any = type(own.__name__, (own,), body)
        owner.__class__ = seen

        def take_back() -> None:
            if type(owner) is seen:
                owner.__class__ = own

        return take_back
    # A module may find its attributes by its class, as `torch._VF` does.
    kind: Any = type(owner) if isinstance(owner, ModuleType) else owner
    before = vars(kind).get(name, ABSENT)
    # As it is, not bound to anything; where no class has it, the module finds it by itself.
    having = next((one for one in kind.__mro__ if name in vars(one)), None)
    put = _Glance(getattr(owner, name) if having is None else vars(having)[name], glanced)
    setattr(kind, name, put)

    def undo() -> None:
        if vars(kind).get(name) is put:
            put_back(kind, name, before)

    return undo


def put_back(owner: Any, name: str, before: Any) -> None:
    """Give an owner what it had of its own by a name, which may be nothing (`ABSENT`)."""
    if before is ABSENT:
        delattr(owner, name)
    else:
        setattr(owner, name, before)


class _Glance:
    """An attribute of a class that tells who asks for it, and gives what was there."""

    def __init__(self, original: Any, glanced: Glanced) -> None:
        self._original, self._glanced = original, glanced

    def __get__(self, instance: Any, kind: Any = None) -> Any:
        try:  # noqa: SIM105 - the program has frames left, which a context manager would need
            self._glanced(instance, sys._getframe(1))
        except RecursionError:
            pass
        original = self._original
        get = getattr(type(original), "__get__", None)
        return original if get is None else get(original, instance, kind)


class _ModuleGlance(_Glance):
    """The same for one of a module's functions; what the program sets in its place stays."""

    def __init__(self, name: str, glanced: Glanced) -> None:
        super().__init__(None, glanced)
        self._name = name

    def __get__(self, instance: Any, kind: Any = None) -> Any:
        if instance is None:
            return self
        try:  # noqa: SIM105 - the program has frames left, which a context manager would need
            self._glanced(instance, sys._getframe(1))
        except RecursionError:
            pass
        try:
            return vars(instance)[self._name]
        except KeyError:
            raise AttributeError(
                f"module {instance.__name__!r} has no attribute {self._name!r}", name=self._name, obj=instance
            ) from None

    def __set__(self, instance: Any, value: Any) -> None:
        vars(instance)[self._name] = value

    def __delete__(self, instance: Any) -> None:
        del vars(instance)[self._name]
