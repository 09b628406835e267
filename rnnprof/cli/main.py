"""``rnnprof``: choose the subcommand, and turn every expected failure into one line."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from rnnprof._version import __version__
from rnnprof.cli import COMMANDS
from rnnprof.errors import RnnprofError
from rnnprof.units import visible

FAILED = 2
INTERRUPTED = 130
NO_READER = 141
"""Exit codes; the last two are those of a shell for SIGINT and SIGPIPE."""

LONGEST = 500
"""Characters of an error's line; a path may have thousands."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: the arguments after the program's name; those of the process if absent.

    Returns:
        The exit code: 0, 2 after an error that is printed as one line, 130 after Ctrl-C.

    Raises:
        SystemExit: ``--help``, ``--version``, or arguments that argparse refuses.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _run(words)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except RnnprofError as error:
        return _complain(str(error))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Python flushes stdout once more as it exits: let that go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NO_READER
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _complain(f"{where}{error.strerror or error}")


def _run(words: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="rnnprof", description="Where the time of a recurrent training loop goes.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"rnnprof {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    # Only the module of the chosen subcommand is loaded, so that none waits for another's imports.
    chosen = next((word for word in words if not word.startswith("-")), "")
    for name, help_text in COMMANDS.items():
        command = commands.add_parser(name, help=help_text, description=help_text, allow_abbrev=False)
        if name == chosen:
            module = importlib.import_module(f"rnnprof.cli.{name}")
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    args = parser.parse_args(words)
    if args.command is None:
        parser.print_help()
        return 0
    return int(args.run(args))


def _complain(message: str) -> int:
    line = visible(" ".join(message.split()))
    cut = line if len(line) <= LONGEST else line[:LONGEST] + "..."
    if sys.stderr is not None:
        print(f"rnnprof: error: {cut}", file=sys.stderr)
    return FAILED
