"""The snippet rule, against the original's loop spelled out."""

from dataclasses import asdict

from hypothesis import given
from hypothesis import strategies as st

from i3d.config import schema
from i3d.snippets import ORIGINAL_RULE, SnippetRule


@given(st.integers(1, 400), st.integers(8, 40), st.integers(1, 40))
def test_snippets_are_those_of_the_original_loop(frames, clip_length, frequency):
    rule = SnippetRule(clip_length, frequency)
    expected = []
    start = 0
    while frames > clip_length and start + clip_length <= frames:
        expected.append(list(range(start, start + clip_length)))
        start += frequency
    assert [list(rule.frames_of(snippet)) for snippet in range(rule.snippets(frames))] == expected
    used = {frame for snippet in expected for frame in snippet}
    within = range(expected[-1][-1] + 1) if expected else ()
    assert {frame for frame in within if rule.is_used(frame)} == used
    assert rule.used(frames) == sum(map(rule.is_used, range(frames)))
    assert (rule.left_out is None) == all(map(rule.is_used, range(2 * frequency)))


def test_the_contract_of_the_defaults():
    rule = ORIGINAL_RULE
    defaults = {key: value["default"] for key, value in schema()["properties"].items() if key in asdict(rule)}
    assert asdict(rule) == defaults == {"clip_length": 16, "frequency": 16}
    assert [rule.snippets(frames) for frames in (0, 15, 16, 17, 31, 32, 33, 48)] == [0, 0, 0, 1, 1, 2, 2, 3]
    assert rule.why_too_short(16) == "too short: 16 frames, a snippet needs more than 16"
