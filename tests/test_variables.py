"""Local variables of frames: reading them leaves no copy behind."""

from __future__ import annotations

import sys
import weakref

import pytest
import torch

from rnnprof.variables import variables


class Thing:
    """Something that goes when nobody has it any more."""


def test_the_variables_of_a_module_are_its_own() -> None:
    frame = sys._getframe()
    while frame.f_code.co_name != "<module>":
        assert frame.f_back is not None
        frame = frame.f_back
    assert variables(frame) is frame.f_globals


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="a frame keeps no copy of its variables there")
def test_reading_variables_leaves_no_copy_behind() -> None:
    # An assertion of pytest's asks for `locals()`.
    def program() -> tuple[bool, object]:
        thing = Thing()
        found = variables(sys._getframe())
        same = found["thing"] is thing and variables(sys._getframe())["thing"] is thing
        alive = weakref.ref(thing)
        del found, thing
        return same, alive()

    assert program() == (True, None)


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="a frame keeps no copy of its variables there")
def test_a_copy_that_somebody_has_stays() -> None:
    def program() -> object:
        thing = Thing()
        had = theirs()
        variables(sys._getframe())
        return had["thing"] is thing

    def theirs() -> dict[str, object]:
        return sys._getframe(1).f_locals

    assert program()


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="a frame keeps no copy of its variables there")
def test_what_code_has_asked_for_is_not_renewed_and_what_it_has_added_stays() -> None:
    def asks(first: int) -> list[str]:
        asked = locals()
        variables(sys._getframe())
        return list(asked)

    def adds() -> object:
        exec("added = 1")
        variables(sys._getframe())
        return eval("added")

    assert asks(0) == ["first"]
    assert adds() == 1


def test_a_models_eval_asks_for_nothing() -> None:
    def program(model: torch.nn.Module) -> bool:
        model.eval()
        return "model" in variables(sys._getframe())

    assert program(torch.nn.Linear(1, 1))
