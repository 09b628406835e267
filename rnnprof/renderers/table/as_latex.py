r"""Words and tables as LaTeX, for ``\usepackage{booktabs}``; no name keeps a meaning in it."""

from __future__ import annotations

from collections.abc import Sequence

from rnnprof.renderers.flowchart.escape import tex, tex_printable
from rnnprof.renderers.flowchart.text import printable
from rnnprof.renderers.table import model

HEAD = r"% needs \usepackage{booktabs}"


def lay_out(blocks: Sequence[model.Block]) -> str:
    """Write words and tables as parts of a LaTeX document.

    Args:
        blocks: what to write, from top to bottom.

    Returns:
        Paragraphs and ``tabular`` environments with the rules of booktabs, with a newline at the end.
    """
    parts = [HEAD]
    for block in blocks:
        if isinstance(block, model.Table):
            parts += _tables(block)
        elif isinstance(block, model.Items):
            parts += _numbered(block)
        elif block.kind in ("facts", "notes"):
            items = [f"  \\item {_escape(line)}" for line in block.lines]
            parts += ["\n".join([r"\begin{itemize}", *items, r"\end{itemize}"])] if items else []
        else:
            parts += [_bold(line) if block.kind == "title" else _escape(line) for line in block.lines]
    return "\n\n".join(parts) + "\n"


def _numbered(items: model.Items) -> list[str]:
    """An ``enumerate``, each item's paragraphs under its title."""
    listed = ["\n\n".join([f"\\item {_bold(item.title)}", *map(_escape, item.lines)]) for item in items.items]
    return [
        _bold(items.title),
        _escape(items.sentence),
        "\n".join([r"\begin{enumerate}", *listed, r"\end{enumerate}"]),
    ]


def _tables(table: model.Table) -> list[str]:
    """One ``tabular`` for each section, below its heading."""
    rules = "".join("r" if column.right else "l" for column in table.columns)
    head = _line([column.title for column in table.columns])
    parts = []
    for section in table.sections:
        parts += [_bold(section.title)] if section.title else []
        rows = [_line(row.cells) for row in section.rows]
        parts.append(
            "\n".join(
                [
                    f"\\begin{{tabular}}{{{rules}}}",
                    *(r"\toprule", head, r"\midrule", *rows, r"\bottomrule"),
                    r"\end{tabular}",
                ]
            )
        )
    return parts


def _line(cells: Sequence[str]) -> str:
    return " & ".join(_escape(cell) for cell in cells) + r" \\"


def _bold(words: str) -> str:
    return f"\\textbf{{{_escape(words)}}}"


def _escape(words: str) -> str:
    return tex(tex_printable(printable(words))) if words else ""
