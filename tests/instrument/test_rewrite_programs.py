"""Programs that nobody thought of: with marks they do what they did without."""

from __future__ import annotations

import textwrap

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.instrument.rewriting import same

LEAVES = ["x", "y", "f", "g", "model(x)", "criterion(x, y)", "f(x)", "boom(x)", "loader", "model(x).item()"]
FORMS = [
    "model({0})",
    "model({0}, k={1})",
    "model.forward(*[{0}], **{{'k': {1}}})",
    "criterion({0}, {1})",
    "f({0}, *[{1}, {2}], k={3})",
    "g(lambda v={0}: {1})",
    "({0}).item()",
    "({0}).backward()",
    "({0} + {1} * {2})",
    "({0} < {1} < {2})",
    "({0} if {1} else {2})",
    "({0} and {1} or {2})",
    "(not {0})",
    "(-model({0}))",
    "(w := {0})",
    "({0}, *[{1}])",
    "[{0}, {1}]",
    "{{'a': {0}, **{{'b': {1}}}}}",
    "[{1} for v in loader if {0}]",
    "(lambda: {0})()",
    "[*({0} for v in loader)]",
    "f'{{{0}}} {{{1}:>3}}'",
    "f(x)[{0}]",
    "f(x)[{0} : {1}]",
    "evaluate({0})",
    "step({0}, k={1})",
]
SIMPLE = [
    "{0}",
    "{0}.backward()",
    "loss = {0}",
    "loss = criterion({0}, {1})",
    "a, *b = [{0}, {1}]",
    "x.k[{0}] = {1}",
    "loss += {0}",
    "value: {0} = {1}",
    "optimizer.step({0})",
    "optimizer.step(lambda: {0})",
    "optimizer.zero_grad()",
    "assert {0} or f(1), {1}",
    "return {0}",
    "break",
    "continue",
    "raise ValueError(str({0}))",
    "pass",
]
JUMPS = ("return", "break", "continue", "raise")
COMPOUND = [
    "if {0}:\n{A}\nelse:\n{B}",
    "if {0}:\n{A}\nelif {1}:\n{B}",
    "for z in loader:\n{A}",
    "for z in [{0}]:\n{A}\nelse:\n{B}",
    "while ticks and (ticks := ticks - 1) and {0}:\n{A}\nelse:\n{B}",
    "with catch({0}) as c:\n{A}",
    "with f({0}), catch:\n{A}",
    "try:\n{A}\nexcept ValueError:\n{B}",
    "try:\n{A}\nfinally:\n{B}",
    "try:\n{A}\nexcept ValueError as error:\n{B}\nelse:\n{A}\nfinally:\n    f(3)",
    "match {0}:\n    case 1:\n{AA}\n    case other if {1}:\n{BB}",
    "def closure(v={0}):\n{A}\noptimizer.step(closure)",
]

expressions = st.recursive(
    st.sampled_from(LEAVES),
    lambda inner: st.builds(
        lambda form, parts: form.format(*parts),
        st.sampled_from(FORMS),
        st.lists(inner, min_size=4, max_size=4),
    ),
    max_leaves=6,
)
simple = st.builds(
    lambda form, parts: form.format(*parts),
    st.sampled_from(SIMPLE),
    st.lists(expressions, min_size=2, max_size=2),
)


def _compound(form: str, parts: list[str], blocks: list[str]) -> str:
    one, two = (textwrap.indent(block, "    ") for block in blocks)
    deep = {"AA": textwrap.indent(one, "    "), "BB": textwrap.indent(two, "    ")}
    return form.format(*parts, A=one, B=two, **deep)


def _together(statements: list[str]) -> str:
    """Statements up to the first that jumps: what nothing can reach, Python itself leaves out."""
    last = next((i for i, one in enumerate(statements) if one.startswith(JUMPS)), len(statements))
    return "\n".join(statements[: last + 1])


def _block(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(inner, min_size=1, max_size=3).map(_together)


blocks = st.recursive(
    _block(simple),
    lambda inner: _block(
        simple
        | st.builds(
            _compound,
            st.sampled_from(COMPOUND),
            st.lists(expressions, min_size=2, max_size=2),
            st.lists(inner, min_size=2, max_size=2),
        )
    ),
    max_leaves=4,
)

PROGRAM = """\
def evaluate(x):
    model.eval()
    for v in loader:
        criterion(model(v), x)

def step(x, k):
    loss = criterion(model(x), k)
    loss.backward()
    return f(loss)

def train(x, y, w=1, a=2, b=3, loss=4, ticks=3):
    {header}
{inside}
        model(x).backward()
        optimizer.step()
{after}
{yields}
try:
    log.append(str({call}))
except ValueError as error:
    f(error)
train(1, 2)
"""


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    inside=blocks,
    after=blocks,
    header=st.sampled_from(["for x in loader:", "while f(x) and (ticks := ticks - 1):", "while ticks:"]),
    generator=st.booleans(),
)
def test_any_program_does_the_same_with_marks(inside: str, after: str, header: str, generator: bool) -> None:
    text = PROGRAM.format(
        header=header,
        inside=textwrap.indent(("ticks -= 1\n" if header == "while ticks:" else "") + inside, " " * 8),
        after=textwrap.indent(_without_jumps(after), " " * 4),
        yields="    yield f(2)" if generator else "",
        call="[*train(1, 2)]" if generator else "train(1, 2)",
    )
    # A closure may have been given a jump out of the loop around it.
    assume(_is_python(text))
    same(text, dead=True)


def _without_jumps(text: str) -> str:
    """Behind the loop there is nothing to leave by `break`."""
    return text if _is_python("def f():\n" + textwrap.indent(text, "    ")) else "pass"


def _is_python(text: str) -> bool:
    try:
        compile(text, "", "exec")
    except SyntaxError:
        return False
    return True
