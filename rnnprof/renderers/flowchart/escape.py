"""Untrusted text made harmless in each syntax; what cannot be shown is replaced, never passed on."""

from __future__ import annotations

import unicodedata

_XML = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"}

_TEX = {
    "\\": r"$\backslash$", "{": r"$\{$", "}": r"$\}$", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%",
    "_": r"\_", "^": r"\^{}",
    "~": r"\~{}", "<": "$<$", ">": "$>$", "|": "$|$", '"': "{''}", "`": r"{\char96}",
    "'": "{'}", "-": "{-}", "–": "{--}", "—": "{---}", "…": r"{\dots}", "×": r"$\times$", "·": r"$\cdot$",
    "ß": r"{\ss}", "æ": r"{\ae}", "Æ": r"{\AE}", "ø": r"{\o}", "Ø": r"{\O}", "œ": r"{\oe}", "Œ": r"{\OE}",
    "ł": r"{\l}", "Ł": r"{\L}", "µ": r"$\mu$", "μ": r"$\mu$", "→": r"$\to$", "±": r"$\pm$",
}  # fmt: skip
_TEX_LINE = 150
_TEX_ACCENTS = {
    0x300: "`",
    0x301: "'",
    0x302: "^",
    0x303: "~",
    0x307: ".",
    0x308: '"',
    0x30A: "r",
    0x30B: "H",
    0x30C: "v",
    0x327: "c",
}


def xml(text: str) -> str:
    """Escape for XML text and attributes. The text holds no control characters (see `text.printable`)."""
    return "".join(_XML.get(char, char) for char in text)


def html_label(text: str) -> str:
    """Escape for a Graphviz HTML-like label (https://graphviz.org/doc/info/shapes.html#html).

    Graphviz replaces ``\\N`` and the like also in these labels, after it has read the entities, so a
    backslash is doubled there too.
    """
    return xml(text).replace("\\", "&#92;&#92;")


def dot_string(text: str) -> str:
    """Quote for Graphviz, for attributes that are ``escString`` or plain.

    A backslash is doubled, for ``\\N`` and the like would be replaced; entities are decoded by
    Graphviz, so ``&`` is written as one (https://graphviz.org/doc/info/attrs.html#k:escString).
    """
    return '"' + "".join("\\\\" if char == "\\" else _XML.get(char, char) for char in text) + '"'


def mermaid_words(text: str) -> str:
    """Escape one of rnnprof's own phrases or numbers for a quoted Mermaid label."""
    return "".join(f"#{ord(char)};" if char in '"#&<>' else char for char in text)


def mermaid(text: str) -> str:
    """Escape for a quoted Mermaid label: everything but letters, digits and a few signs as ``#code;``.

    See https://mermaid.js.org/syntax/flowchart.html#entity-codes-to-escape-characters.
    """
    return "".join(
        char if char.isalnum() or char in " .,_…×" or ord(char) > 127 else f"#{ord(char)};" for char in text
    )


def tex_printable(text: str) -> str:
    """Replace what the fonts of plain LaTeX cannot set by its code point, such as ``U+65E5``.

    ASCII, letters with the common accents, and the few signs of `units` stay.

    Args:
        text: one line without control characters.
    """
    out = []
    for char in text:
        if ord(char) < 127 or char in _TEX or _accented(char):
            out.append(char)
        elif unicodedata.category(char) not in ("Mn", "Me", "Cf"):
            out.append(f"U+{ord(char):04X}")
    return "".join(out) or "?"


def tex(text: str) -> str:
    """Escape for LaTeX, after `tex_printable`; no character keeps a special meaning.

    Signs that only other encodings than OT1 have come from the mathematical fonts, which every
    installation holds. A long text is broken into lines that end in a comment, so without a space.
    """
    lines = [""]
    for char in text:
        piece = _TEX.get(char) or _accented(char) or char
        if len(lines[-1]) + len(piece) > _TEX_LINE:
            lines.append("")
        lines[-1] += piece
    return "%\n".join(lines)


def _accented(char: str) -> str:
    """A LaTeX accent for a letter that decomposes into an ASCII letter and one mark, or nothing."""
    parts = unicodedata.normalize("NFD", char)
    if (
        len(parts) != 2
        or not (parts[0].isascii() and parts[0].isalpha())
        or ord(parts[1]) not in _TEX_ACCENTS
    ):
        return ""
    letter = {"i": r"\i", "j": r"\j"}.get(parts[0], parts[0])
    return f"{{\\{_TEX_ACCENTS[ord(parts[1])]}{{{letter}}}}}"
