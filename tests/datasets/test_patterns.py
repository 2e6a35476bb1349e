"""Wildcards: what fits, what they name, and that no text makes them slow."""

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from i3d.datasets.patterns import Pattern
from i3d.errors import UserError


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("Normal_*", "a/b/Normal_1", True),
        ("Normal_*", "Normal_x/b", False),
        ("a/*", "a/b/c", False),
        ("a/**", "a/b/c", True),
        ("**/test*/*", "test/x", True),
        ("**/test*/*", "a/b/testing/x", True),
        ("**/test*/*", "a/test/b/x", False),
        ("a/**/x", "a/x", True),
        ("??_[0-9][!0-9]", "ab_1x", True),
        ("??_[0-9][!0-9]", "ab_11", False),
        ("a.b", "axb", False),
        ("*label_A", "x.label_A", True),
        ("[^a]", "a", True),
    ],
)
def test_what_fits(pattern, path, fits):
    assert Pattern(pattern).fits(path) == fits


@pytest.mark.parametrize(
    ("pattern", "path", "category"),
    [
        ("{category}[0-9]*_x264", "Abuse/Abuse001_x264", "Abuse"),
        ("{category}_[0-9]*", "Water_incident_5", "Water_incident"),
        ("*_label_{category}", "Bad.Boys__#1_label_G-B2-B6", "G-B2-B6"),
        ("{category}/**", "fights/a/b", "fights"),
        ("**/{category}/*", "a/b/fights/x", "fights"),
        ("{category}_x", "_x", None),
        ("*_x", "a_x", None),
    ],
)
def test_what_a_pattern_names(pattern, path, category):
    assert Pattern(pattern).category(path) == category


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("{category}_{category}", "once"),
        ("a//b", "once"),
        ("[", "no pattern"),
        ("{name}", "no pattern"),
        ("[a/b]", "no pattern"),
        ("*" * 13, "too much"),
        ("x" * 201, "too much"),
        ("**/a/**/b", "too much"),
    ],
)
def test_what_is_no_pattern(pattern, words):
    with pytest.raises(UserError, match=words):
        Pattern(pattern, "here")


@given(st.text("ab_*?", min_size=1, max_size=8), st.text("ab_", min_size=1, max_size=10))
def test_without_folders_they_are_the_librarys(pattern, name):
    if pattern.count("*") <= 12:
        assert Pattern(pattern).fits(name) == fnmatch.fnmatchcase(name, pattern)


def test_no_text_makes_them_slow():
    """Backtracking over twelve wildcards would take longer than the universe is old."""
    for pattern in ("a*" * 11 + "{category}b", "**/" + "*a" * 12 + "b", "**/*a*a/**"):
        assert not Pattern(pattern).fits("a" * 4000)
        assert not Pattern(pattern).fits("a/" * 2000 + "c")
