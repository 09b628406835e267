"""The errors that rnnprof raises on purpose; the command line prints each as one line."""

from __future__ import annotations


class RnnprofError(Exception):
    """Base of every error of rnnprof: catch this one to catch them all."""


class NestingError(RnnprofError):
    """Stages, steps or profiles were opened and closed in an order that makes no tree."""


class RunFileError(RnnprofError):
    """A run file cannot be read, is not valid, or cannot be written."""


class TraceError(RnnprofError):
    """A trace that was asked for could not be made; the run is saved all the same."""


class UsageError(RnnprofError):
    """An argument makes no sense: the message says which and what to give instead."""


class EnoughSteps(SystemExit):
    """Ends a program, with the exit code 0, once it has trained as many steps as were asked for."""
