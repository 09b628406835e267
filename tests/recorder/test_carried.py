"""What a loop carries from turn to turn, as its source says."""

from __future__ import annotations

from textwrap import dedent

import pytest

from rnnprof.recorder.carried import carried


def at(text: str, line: int) -> list[dict[str, int]]:
    return list(carried(dedent(text).lstrip("\n"), line))


PLAIN = """
hidden = init()
for epoch in range(9):
    total = 0
    for data, targets in batches:
        model.zero_grad()
        output, hidden = model(data, hidden)
        loss = criterion(output, targets)
        loss.backward()
        total += loss.item()
"""


def test_a_plain_loop() -> None:
    # The outer loop reads it before it sets it as well; a total is set anew by each of its turns.
    assert at(PLAIN, 8) == [{"hidden": 6, "total": 9}, {"hidden": 6}]
    assert at(PLAIN, 3) == [{"hidden": 6}]
    assert at(PLAIN, 1) == []


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("h = repackage_hidden(h); y, h = f(x, h)", {}),
        ("y, h = f(x, h.detach())", {}),
        ("h.detach_(); y, h = f(x, h)", {}),
        ("h = tuple(one.data for one in h); y, h = f(x, h)", {}),
        ("h = Variable(h.data); y, h = f(x, h)", {}),
        ("data = get(); y, h = f(data, h)", {"h": 2}),
        ("y, h = f(x, h); shown = y.detach()", {"h": 2}),
        ("y, (h, c) = f(x, (h, c))", {"h": 2, "c": 2}),
        ("if h is None: h = init()\n    y, h = f(x, h)", {"h": 2}),
        ("h = init(); y, h = f(x, h)", {}),
        ("h += f(x)", {"h": 2}),
        ("y = (h := f(h))", {"h": 2}),
        ("h: Tensor = f(h)", {"h": 2}),
        ("self.out, self.h = self.rnn(x, self.h)", {"self.h": 2}),
        ("for h in h:\n        f(h)", {"h": 2}),
        ("[h for one in x]; (lambda: h)(); h = f(x)", {"h": 2}),
        ("def g():\n        return h\n    h = g()", {}),
        ("f(h)", {}),
        ("del h", {}),
    ],
)
def test_what_is_read_before_it_is_set(body: str, found: dict[str, int]) -> None:
    assert at(f"while True:\n    {body}\n", 2) == [found]


def test_only_the_loops_of_the_lines_own_function() -> None:
    text = """
    for i in x:
        def step(h):
            h = f(h)
            return h
        h = step(h)
    """
    assert at(text, 3) == []
    assert at(text, 5) == [{"h": 5}]


def test_what_is_no_program_or_too_long() -> None:
    with pytest.raises(SyntaxError):
        at("for", 1)
    assert at("x = 1\n" * 200_000, 3) == []
