"""The kind of thing that a name holds."""

from __future__ import annotations

from dataclasses import dataclass

from rnnprof.instrument.reading.project import Class, Function
from rnnprof.instrument.reading.vocabulary import kind_of_variable


@dataclass(frozen=True)
class Kind:
    """What a name holds.

    Attributes:
        role: ``module``, ``loss``, ``optimizer``, ``scheduler``, ``scaler``, ``loader``,
            ``parameter``, ``parameters``, ``gradient``, ``gradients``, ``object``, ``class``, ``function``.
        made: the class that the user wrote, if the thing is an instance of one.
        function: the function, if it is one.
        parts: the kinds of a tuple's elements.
    """

    role: str
    made: Class | None = None
    function: Function | None = None
    parts: tuple[Kind | None, ...] = ()


MANY = {"parameter": Kind("parameters"), "gradient": Kind("gradients")}
ELEMENT = {"parameters": Kind("parameter"), "gradients": Kind("gradient")}


def by_name(name: str) -> Kind | None:
    """What a variable of that name holds; a class is no variable."""
    role = "" if name[:1].isupper() else kind_of_variable(name)
    return Kind(role) if role else None
