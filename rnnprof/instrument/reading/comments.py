"""What a user says in comments: ``# rnnprof: stage=forward``, ``# rnnprof: step``, ``# rnnprof: ignore``."""

from __future__ import annotations

import io
import re
import tokenize
from dataclasses import dataclass

COMMENT = re.compile(r"#\s*rnnprof:\s*(.*)")
WORD = re.compile(r"(stage)\s*=\s*([^\s,;#]+)|(step|ignore)\b")


@dataclass(frozen=True)
class Directive:
    """One comment.

    Attributes:
        word: ``stage``, ``step``, ``ignore``, or ``""`` where it could not be understood.
        name: of the stage; where it was not understood, the text.
    """

    word: str
    name: str = ""


def directives(text: str) -> dict[int, Directive]:
    """The directives of a source, by their lines.

    Args:
        text: the source.

    Returns:
        Line number, from 1, to directive.
    """
    if "rnnprof" not in text:
        return {}
    found = {}
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type != tokenize.COMMENT:
                continue
            match = COMMENT.match(token.string)
            if match is None:
                continue
            word = WORD.match(match[1])
            if word is None:
                found[token.start[0]] = Directive("", match[1].strip())
            elif word[3]:
                found[token.start[0]] = Directive(word[3])
            else:
                found[token.start[0]] = Directive(word[1], word[2])
    except (tokenize.TokenError, IndentationError):
        return found
    return found
