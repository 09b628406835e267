"""The exception that ends a profile: its words, its line, and the states that it was about."""

from __future__ import annotations

import gc
import weakref
from types import SimpleNamespace
from typing import Any

import pytest

from rnnprof.errors import EnoughSteps
from rnnprof.recorder import failure as failing
from rnnprof.recorder.failure import failure, without_secrets
from rnnprof.vitals import Failure
from tests.recorder.helpers import profile

torch = pytest.importorskip("torch")


def ended_by(program: Any, *arguments: Any) -> Failure:
    with pytest.raises(Exception) as error, profile("host") as prof:  # noqa: PT011
        program(prof, *arguments)
    found: Failure = prof.run.vitals.failure
    assert found.kind == type(error.value).__name__
    return found


def loop(prof: Any) -> None:
    lstm, decoder = torch.nn.LSTM(3, 4), torch.nn.Linear(4, 2)
    hidden = (torch.zeros(1, 2, 4), torch.zeros(1, 2, 4))
    kept = torch.zeros(4)
    for _ in range(3):
        with prof.step():
            data = torch.randn(5, 2, 3)
            output, hidden = lstm(data, hidden)
            kept = kept + 1
            decoder(output).sum().backward()


def test_a_state_that_is_not_detached() -> None:
    found = ended_by(loop)
    assert found.states == ("hidden",)
    assert found.line is not None
    assert found.line.source == "decoder(output).sum().backward()"
    assert found.line.file == __file__
    assert found.line.function == "loop"
    assert found.state_line is not None
    assert found.state_line.source == "output, hidden = lstm(data, hidden)"
    assert found.message.startswith("Trying to backward through the graph a second time")
    assert len(found.message) == 300


def one_step(prof: Any, rnn: Any, data: Any, h: Any) -> Any:
    with prof.step():
        out, h = rnn(data, h)
        out.sum().backward()
    return h


def test_a_state_of_a_loop_further_out() -> None:
    def program(prof: Any) -> None:
        rnn, h = torch.nn.GRU(3, 4), torch.zeros(1, 2, 4)
        for _ in range(3):
            h = one_step(prof, rnn, torch.randn(5, 2, 3), h)

    found = ended_by(program)
    assert found.states == ("h",)
    assert found.line is not None
    assert found.line.source == "out.sum().backward()"
    assert found.state_line is not None
    assert found.state_line.source == "h = one_step(prof, rnn, torch.randn(5, 2, 3), h)"


class Remembering(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn = torch.nn.GRU(3, 4)
        self.hidden = torch.zeros(1, 2, 4)
        self.last = None

    def forward(self, data: Any) -> Any:
        out, self.hidden = self.rnn(data, self.hidden)
        self.last = out
        return out


def test_a_state_that_the_model_keeps() -> None:
    def program(prof: Any) -> None:
        model = torch.nn.ModuleDict({"net": Remembering()})
        for _ in range(3):
            with prof.step():
                model["net"](torch.randn(5, 2, 3)).sum().backward()

    found = ended_by(program)
    assert (found.states, found.state_line) == (("model.net.hidden",), None)


def test_a_state_that_a_trainer_keeps() -> None:
    class Trainer:
        def __init__(self) -> None:
            self.rnn, self.state = torch.nn.GRU(3, 4), torch.zeros(1, 2, 4)

        def train(self, prof: Any) -> None:
            for _ in range(3):
                with prof.step():
                    out, self.state = self.rnn(torch.randn(5, 2, 3), self.state)
                    out.sum().backward()

    assert ended_by(Trainer().train).states == ("self.state",)


def test_without_the_source_names_are_guessed() -> None:
    code = """
def program(prof):
    rnn, hidden = torch.nn.GRU(3, 4), torch.zeros(1, 2, 4)
    for _ in range(3):
        out, hidden = rnn(torch.randn(5, 2, 3), hidden)
        out.sum().backward()
"""
    names: dict[str, Any] = {"torch": torch}
    exec(code, names)
    found = ended_by(names["program"])
    assert found.line is not None
    assert (found.states, found.line.source, found.line.line) == (("hidden",), "", 6)


def test_another_failure_has_no_states() -> None:
    def program(prof: Any) -> None:
        hidden = torch.zeros(3, requires_grad=True) * 2
        for _ in range(2):
            hidden = hidden @ torch.zeros(5)

    found = ended_by(program)
    assert (found.states, found.state_line) == ((), None)
    assert found.line is not None
    assert found.line.source == "hidden = hidden @ torch.zeros(5)"


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit, EnoughSteps])
def test_what_is_no_failure(kind: Any) -> None:
    with pytest.raises(kind), profile("host") as prof, prof.step():
        raise kind(0)
    assert prof.run.vitals.failure is None


def test_before_the_first_step() -> None:
    def program(prof: Any) -> None:
        raise ValueError("no\n  such   file")

    assert ended_by(program).message == "no such file"


def test_an_exception_that_cannot_be_printed() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    with pytest.raises(Mute), profile("host") as prof, prof.step():
        raise Mute
    assert prof.run.vitals.failure is not None
    assert prof.run.vitals.failure.message == ""


def test_an_exit_without_an_exception_object() -> None:
    prof = profile("host").start()
    prof.__exit__(ValueError, None, None)
    assert (prof.run.ended, prof.run.vitals) == ("ValueError", None)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("token=abc and more", "token=*** and more"),
        ("api_key: abc, 3", "api_key: *** 3"),
        ("{'password': 'abc'}", "{'password': 'abc'}"),
        ("'password': 'abc'", "'password': ***"),
        ("at https://me:pass@host/x", "at https://***@host/x"),
        ("hf_abcdefghijklmnopqrstuvwx", "***"),
        ("size 3 tokens: 4", "size 3 tokens: 4"),
    ],
)
def test_secrets_are_hidden(words: str, shown: str) -> None:
    assert without_secrets(words) == shown


def test_nothing_of_the_program_is_kept() -> None:
    def program() -> tuple[Failure, Any]:
        hidden = torch.zeros(3, requires_grad=True) * 2
        watched = weakref.ref(hidden)
        for _ in range(1):
            try:
                hidden = hidden * 2
                watched = weakref.ref(hidden)
                raise RuntimeError(failing.SECOND)
            except RuntimeError as error:
                found = failure(error)
        del hidden
        # The frame goes on: it must not hold what it has let go of.
        return found, watched()

    gc.disable()
    try:
        found, left = program()
    finally:
        gc.enable()
    assert found.states == ("hidden",)
    assert left is None


def test_names_that_the_program_has_asked_for_stay() -> None:
    def program() -> dict[str, Any]:
        asked = locals()
        try:
            raise RuntimeError(failing.SECOND)
        except RuntimeError as error:
            failure(error)
        return asked

    # As they were when it asked.
    assert program() == {}


def test_nothing_of_the_programs_is_called() -> None:
    class Proxy:
        def __getattribute__(self, name: str) -> Any:
            raise AssertionError(name)

    class Items(list[Any]):
        def __iter__(self) -> Any:
            raise AssertionError

    def program(self: Any, hidden: Any) -> Failure:
        for _ in range(1):
            try:
                hidden.h = self
                hidden = hidden or self
                raise RuntimeError(failing.SECOND)
            except RuntimeError as error:
                return failure(error)
        raise AssertionError

    assert program(Proxy(), SimpleNamespace(h=Items([1]))).states == ()


def test_the_innermost_line_is_the_programs() -> None:
    def program(prof: Any) -> None:
        torch.zeros(2).view(3)

    found = ended_by(program)
    assert found.line is not None
    assert found.line.source == "torch.zeros(2).view(3)"

    def in_a_library(prof: Any) -> None:
        torch.nn.Linear(2, 2)(torch.zeros(3))

    found = ended_by(in_a_library)
    assert found.line is not None
    assert found.line.source == "torch.nn.Linear(2, 2)(torch.zeros(3))"


def test_what_an_exception_says_by_code_of_the_programs_is_not_asked_for() -> None:
    class Said(Exception):
        def __str__(self) -> str:
            raise AssertionError

    class Thing:
        def __str__(self) -> str:
            raise AssertionError

        __repr__ = __str__

    assert failure(Said("a text", Thing())).message == "a text"
    assert failure(ValueError(Thing())).message == ""
    assert failure(KeyError("key")).message == "'key'"
