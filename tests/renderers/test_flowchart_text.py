"""Widths, shortening and escaping of text in flow charts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnprof.renderers.flowchart.escape import dot_string, html_label, mermaid, tex, tex_printable, xml
from rnnprof.renderers.flowchart.text import printable, shorten, width


def test_widths_are_those_of_helvetica() -> None:
    assert width("Hello", 10) == pytest.approx(22.78, rel=0.04)
    assert width("Hello", 10, bold=True) == pytest.approx(24.45, rel=0.04)


def test_a_wide_character_counts_double_and_a_mark_nothing() -> None:
    assert width("日", 10) > 2 * width("a", 10)
    assert width("e\u0301", 10) == width("e", 10)


@given(st.text(), st.floats(12, 300), st.booleans())
def test_a_shortened_text_fits_and_is_a_beginning(text: str, room: float, bold: bool) -> None:
    short = shorten(text, room, 10, bold)
    assert short == text or width(short, 10, bold) <= room
    assert short == text or text.startswith(short[:-1])


def test_a_name_becomes_one_visible_line() -> None:
    assert printable(" a\n b\tc ") == "a b c"
    assert printable("a\0b\x1b") == "a\ufffdb\ufffd"
    assert printable("\u202eabc") == "abc"
    assert printable("\n") == "(unnamed)"
    assert printable("\ud800") == "\ufffd"


def test_every_syntax_disarms_its_own_signs() -> None:
    assert xml("<a b=\"c\" d='e'>&") == "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;"
    assert html_label("\\N<") == "&#92;&#92;N&lt;"
    assert dot_string('"\\N"') == '"&quot;\\\\N&quot;"'
    assert mermaid('"end"--|') == "#34;end#34;#45;#45;#124;"
    assert tex("\\input{a}") == "$\\backslash$input$\\{$a$\\}$"
    assert tex("50 %") == "50 \\%"


def test_what_tex_cannot_set_is_shown_as_its_code_point() -> None:
    assert tex_printable("é 日 🚀") == "é U+65E5 U+1F680"
    assert tex("é") == "{\\'{e}}"
    assert tex_printable("\u0301") == "?"


def test_a_long_text_in_tex_is_broken_without_a_space() -> None:
    lines = tex("\\" * 60).splitlines()
    assert len(lines) > 1
    assert all(len(line) < 160 and (line.endswith("%") or line is lines[-1]) for line in lines)
