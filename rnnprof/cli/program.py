"""The program on a command line: ``SCRIPT [argument ...]`` or ``-m MODULE [argument ...]``, and no more."""

from __future__ import annotations

import argparse


def add_argument(parser: argparse.ArgumentParser) -> None:
    """Declare the program, which takes all that follows it.

    Args:
        parser: the subcommand's own parser.
    """
    parser.add_argument("program", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    parser.add_argument(
        "-m", dest="module", nargs=argparse.REMAINDER, metavar="MODULE", help=argparse.SUPPRESS
    )


def given(args: argparse.Namespace) -> list[str]:
    """The name of the script or module, and what follows; nothing where none is given.

    Args:
        args: what :func:`add_argument` declares.
    """
    words: list[str] = args.program if args.module is None else args.module
    return words[1:] if args.module is None and words[:1] == ["--"] else words
