"""What comments and the names of variables say of a statement."""

from __future__ import annotations

import ast

from rnnprof.instrument.reading.meaning import Label
from rnnprof.instrument.reading.project import Function
from rnnprof.instrument.reading.syntax import SCOPES, blocks, bound
from rnnprof.instrument.reading.vocabulary import is_state

BY_COMMENT = "the comment in this line"


def directive(statement: ast.stmt, function: Function) -> Label | None:
    """The stage that a comment gives a statement, in any line of it that holds no other statement."""
    body = blocks(statement)
    last = body[0][0].lineno - 1 if body else (statement.end_lineno or statement.lineno)
    for line in range(statement.lineno, max(last, statement.lineno) + 1):
        one = function.source.comments.get(line)
        if one is not None and one.word == "stage" and not isinstance(statement, SCOPES):
            return Label(one.name, BY_COMMENT)
    return None


def binds_states(statement: ast.stmt) -> bool:
    """Whether all that a statement binds is named like a hidden state."""
    names = bound(statement)
    return bool(names) and all(is_state(name) for name in names)
