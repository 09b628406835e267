"""The table of ways to wait: what it says, and that something finds each of them."""

from __future__ import annotations

import pytest

from rnnprof import waiting
from rnnprof.traces.probe.unnamed import MASK, OPERATORS
from rnnprof.traces.probe.ways_to_wait import CALLS, LIBRARY, OTHER

KEYS = [one.key for one in waiting.WAYS]


def test_each_way_is_found_by_something_and_all_that_is_found_is_a_way():
    found = {way for call in CALLS for way in call.ways} | {key for _, _, key, _ in LIBRARY} | {OTHER}
    found |= {way for way, _ in (*OPERATORS.values(), MASK)}
    assert found == set(KEYS)
    assert len(KEYS) == len(set(KEYS))


def test_a_function_is_watched_once():
    watched = [(call.owner, call.name) for call in CALLS]
    assert len(watched) == len(set(watched))


@pytest.mark.parametrize("way", waiting.WAYS, ids=KEYS)
def test_it_is_said_in_short_sentences(way):
    assert way.key.isidentifier()
    assert way.call
    for sentence in (way.why, *filter(None, [way.instead])):
        assert sentence.endswith(".")
        assert sentence[0].isupper()
        assert len(sentence) <= 100


def test_only_a_wait_that_nobody_knows_has_no_remedy():
    assert [one.key for one in waiting.WAYS if not one.instead] == ["other"]


def test_a_way_is_found_by_its_key():
    assert waiting.way("item") is waiting.WAYS[0]
    assert waiting.way("of a newer rnnprof") is None
