"""Steps, and stages that measure nothing, in Python. See `_marks.c`, its twin in C."""

from __future__ import annotations

from _thread import get_ident
from typing import Any


class Step:
    """One iteration of the training loop, again and again; a context manager.

    Each step takes the root of its stages from the end of ``deck``: which root it is, is the kind
    of step. An empty deck is dealt anew by the track.

    Attributes:
        tokens: tokens that the open step trains on, or None.
        outer: the stage or lane that was current when it began.
    """

    __slots__ = ("_tokens", "deck", "given", "outer", "root", "spoiled", "track")

    def __init__(self, track: Any) -> None:
        self.track = track
        self.deck: list[Any] = []
        self.root: Any = None
        self.outer: Any = None
        self._tokens: int | None = None
        self.given: int | None = None
        self.spoiled = False

    @property
    def tokens(self) -> int | None:
        """Tokens that the open step trains on."""
        return self._tokens

    @tokens.setter
    def tokens(self, tokens: int | None) -> None:
        self._tokens = None if tokens is None else self.track.odd_tokens(tokens)

    def __enter__(self) -> Step:
        track = self.track
        if track.closed:
            return self
        if self.root is not None or get_ident() != track.owner:
            track.misplaced_step(self)
        # What is between two steps ends where the next one begins.
        if track.current is not None and track.current.flat:
            track.boundary(None)
        if not self.deck:
            track.deal(self)
        root = self.deck.pop()
        self.outer = track.current
        self._tokens = self.given
        self.spoiled = False
        try:
            if root.special:
                root.begin_step()
            else:
                track.begin(root)
        except BaseException:
            track.leave(self.outer)
            raise
        self.root = root
        return self

    def __exit__(self, kind: Any = None, value: Any = None, traceback: Any = None) -> None:
        track, root = self.track, self.root
        if track.closed:
            return
        odd = root is None or kind is not None or self.spoiled or root.special
        if odd or (track.current is not root and track.flat_stage(root) is None):
            self.root = None
            try:
                track.odd_end(self, root, kind is not None)
            except BaseException:
                if root is not None and track.journaling:
                    track.leave(self.outer)
                raise
            return
        self.root = None
        ns = track.finish(root, self.outer, True)
        if self._tokens is not None:
            root.tokens += self._tokens
            root.token_ns += ns
        if root.steps >= root.closing:
            track.flush()
            root.close_bucket()
        if self.outer.parent is not None:
            track.enclosed(self.outer, ns)
        if root.start + ns > track.deadline or track.polling:
            track.between_steps(root.start + ns)


class NoStage:
    """What `stage()` gives where nothing is to be measured: it does nothing, quickly."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


def nothing(*_: Any) -> None:
    """Take anything, do nothing."""
