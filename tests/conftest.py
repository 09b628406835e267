"""Fixtures for all tests."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

from rnnprof import active
from rnnprof.testing import FakeClock

# Before torch is loaded. Beside a busy neighbour two threads wait for each other most of the time: what
# takes seconds with one takes minutes with two.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture
def clock() -> FakeClock:
    """A clock that the test advances."""
    return FakeClock()


@pytest.fixture(autouse=True)
def _no_profile_left_open() -> Iterator[None]:
    """A test that leaves a profile open would change the next one."""
    yield
    left = active.current()
    if left is not None:
        active.deactivate(left)
        pytest.fail(f"the test left a profile open ({left.describe()})")


@pytest.fixture(autouse=True)
def _nothing_stays_compiled() -> Iterator[None]:
    """What one test compiles would keep the probe of the next one from looking."""
    yield
    frames = sys.modules.get("torch._dynamo.eval_frame")
    if frames is not None:
        frames.cached_backends.clear()
