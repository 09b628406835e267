"""What no rule knows is named after the function that it calls."""

from __future__ import annotations

import ast
import builtins

from rnnprof.instrument.reading.meaning import MAJOR, Label, Meaning
from rnnprof.instrument.reading.project import Class, Function
from rnnprof.instrument.reading.syntax import bound, calls, dotted, own_expressions, read
from rnnprof.instrument.reading.vocabulary import PLUMBING, matches

BUILTINS = frozenset(dir(builtins))
VAGUE = (*MAJOR, "step", "train", "eval", "run", "call")
"""Names that say too little without the object, or the name of another stage."""
LONGEST = 60
SUMS = ("*loss*", "total_*", "running_*", "*_sum", "*correct*", "*accura*", "*metric*")
"""Names of what a loop adds up for its reports."""


def _adds_up(statement: ast.stmt) -> bool:
    """``total_loss += loss.data``, ``losses.append(loss)``."""
    targets = bound(statement)
    if isinstance(statement, ast.AugAssign):
        added = {name for name in read(statement.value) if matches(name.rpartition(".")[2], ("*loss*",))}
        return bool(added) or any(matches(name.rpartition(".")[2], SUMS) for name in targets)
    call = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(call, ast.Call) and any(matches(name.rpartition(".")[2], SUMS) for name in targets)


class Names:
    """Names for stages, from the functions that statements call.

    Args:
        meaning: what the project's calls mean.
    """

    def __init__(self, meaning: Meaning) -> None:
        self._meaning = meaning
        self._kinds = meaning.kinds

    def of(self, statement: ast.stmt, function: Function) -> Label | None:
        """The stage of a statement after the first thing worth a name that it calls; or None."""
        if _adds_up(statement):
            return Label("log", "adds up what is reported")
        for expression in own_expressions(statement):
            for call in calls(expression):
                callee = self._kinds.callee(call, function)
                if callee is not None and self._only_logs(callee):
                    return Label("log", f"{callee.name}() holds nothing but log")
                name = self._name(call, function)
                if name:
                    return Label(name, f"named after {dotted(call.func)}()")
        return None

    def _only_logs(self, callee: Function) -> bool:
        """Whether a function reports, and calls nothing that is not known."""
        if self._meaning.content(callee) != {"log"}:
            return False
        return all(
            self._meaning.call(one, callee) or not self._name(one, callee) for one in calls(callee.body)
        )

    def outermost(self, statement: ast.stmt, function: Function) -> Label | None:
        """The stage of a statement that is one call, after what it calls, where that says more."""
        value = getattr(statement, "value", None)
        if not isinstance(value, ast.Call) or self._meaning.call(value, function) is not None:
            return None
        name = self._name(value, function)
        vague = name.rpartition(".")[2] in ("update", "add", "log", "write", "record", "put", "set", "report")
        return Label(name, f"named after {dotted(value.func)}()") if name and not vague else None

    def _name(self, call: ast.Call, function: Function) -> str:
        kind = self._kinds.of(call.func, function)
        if kind is not None and kind.role == "class" and isinstance(kind.made, Class):
            return kind.made.name
        callee = self._kinds.callee(call, function)
        text = dotted(call.func)
        if callee is not None:
            return self._clear(callee.name, text)
        name = text.rpartition(".")[2].replace("()", "").replace("[]", "")
        if not name or name in PLUMBING or name.rstrip("_") in PLUMBING or text in BUILTINS:
            return ""
        return self._clear(name, text)

    def _clear(self, name: str, text: str) -> str:
        return text.replace("()", "")[-LONGEST:].lstrip(".") if name in VAGUE else name
