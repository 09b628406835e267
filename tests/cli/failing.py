"""What a command says that must fail."""

from __future__ import annotations

import pytest

from rnnprof.cli.main import main


def failure(argv: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that says why, without its head.

    Args:
        argv: the words after ``rnnprof``.
        capsys: pytest's.
    """
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("rnnprof: error: ")
    assert err.count("\n") == 1
    return err.removeprefix("rnnprof: error: ").rstrip("\n")
