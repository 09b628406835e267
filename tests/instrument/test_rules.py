"""The rules as data: each pattern means its own stage, and none hides another."""

from __future__ import annotations

import pytest

from rnnprof.instrument import rules

PATTERNS = [
    (group, rule, pattern)
    for group in (rules.CALLS, rules.NAMED)
    for rule in group
    for pattern in rule.patterns
]


@pytest.mark.parametrize("group", [rules.CALLS, rules.NAMED], ids=["calls", "named"])
def test_no_pattern_is_hidden_by_an_earlier_rule(group: tuple[rules.Rule, ...]) -> None:
    for rule in group:
        for pattern in rule.patterns:
            found = rules.match(group, [pattern.replace("*", "q").replace("[0-9]", "1")])
            assert found is rule, (pattern, found)


def test_no_name_is_hidden_by_a_rule_of_calls() -> None:
    names = [pattern for group, _, pattern in PATTERNS if group is rules.NAMED]
    assert [one for one in names if rules.match(rules.CALLS, [one.replace("*", "q")])] == []


def test_patterns_are_in_lower_case_and_stand_once() -> None:
    for group in (rules.CALLS, rules.NAMED):
        patterns = [pattern for one, _, pattern in PATTERNS if one is group]
        assert patterns == [pattern.lower() for pattern in patterns]
        assert sorted(set(patterns)) == sorted(patterns)


def test_a_pattern_without_a_dot_is_for_the_last_part() -> None:
    rule = rules.Rule("clip", ("my_clip*", "a.b"), "so it is")
    for name, matched in {
        "my_clip": True,
        "tools.my_clip_all": True,
        "my_clip.run": False,
        "not_my_clip": False,
        "a.b": True,
        "x.a.b": False,
    }.items():
        assert (rules.match((rule,), [name]) is rule) is matched, name
    assert rules.match((rule,), []) is None
    assert rules.match((), ["a.b"]) is None
