"""Which frames the ffmpeg program shows how often. More of it, against the program at hand, is in test_jpeg.py."""

from collections import Counter
from fractions import Fraction

import pytest

from i3d.decoding.constant_rate import constant_rate
from i3d.decoding.held_file import UnreadableError

TICK = Fraction(1, 100)
TEN = Fraction(10)  # pictures per second: one lasts ten ticks


def shown(frames, rate=TEN, base=TICK, *, from_first=False, old=False):
    """The frames, by their numbers, in the order of the pictures; `frames` are (start, duration) in ticks."""
    numbered = [(start, duration, number) for number, (start, duration) in enumerate(frames)]
    pictures = list(constant_rate(numbered, base, rate, from_first=from_first, old=old))
    places = [place for place, _ in pictures]
    assert places == list(range(places[0], places[0] + len(places))) if places else True
    return [number for _, number in pictures]


def steps(*starts):
    return [(start, 10) for start in starts]


def test_a_constant_rate_stays_as_it_is():
    assert shown(steps(0, 10, 20, 30)) == [0, 1, 2, 3]


def test_rounded_timestamps_do_no_harm():
    times = [round(number * 1000 / 29.97) for number in range(300)]
    assert shown([(start, 33) for start in times], Fraction(30000, 1001), Fraction(1, 1000)) == list(range(300))


def test_the_frame_before_a_hole_fills_all_of_it_but_its_last_picture():
    assert shown(steps(0, 10, 60, 70)) == [0, 1, 1, 1, 1, 2, 2, 3]


def test_a_long_frame_is_shown_until_its_end():
    assert shown([(0, 10), (10, 50), (60, 10)]) == [0, 1, 1, 1, 1, 1, 2]


def test_a_frame_that_ends_too_early_is_dropped():
    assert shown(steps(0, 1, 2, 3, 4, 5, 20, 30)) == [0, 1, 2, 6, 7]


def test_the_first_frame_fills_the_time_before_it_unless_it_is_to_be_the_first_picture():
    assert shown(steps(30, 40)) == [0, 0, 0, 0, 1]
    assert shown(steps(30, 40), from_first=True) == [0, 1]


def test_the_last_frame_is_repeated_as_often_as_is_usual():
    assert shown([(30 * number, 10) for number in range(4)]) == [0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]


def test_a_frame_of_unknown_duration_lasts_one_picture():
    assert shown([(0, 0), (10, 0), (40, 0)]) == [0, 1, 1, 2, 2]


def test_nothing_becomes_nothing():
    assert shown([]) == []


def test_an_hour_without_a_frame_is_filled_and_more_is_refused():
    frames = shown(steps(0, 10, 360_000))
    assert Counter(frames) == {0: 1, 1: 35_998, 2: 2}
    with pytest.raises(UnreadableError, match="its timestamps jump by 3601 s"):
        shown(steps(0, 10, 360_110))


# Start and duration of each frame of real files of these kinds, the rate, and how often versions 7.0.2 and 5.1.9 of the
# program showed each (4.2.2 as 5.1.9).
VERSIONS = {
    "mov, sound": (
        "0+1156 1156+3419 4575+1474 6049+2403 8452+1411 9863+1386 11249+2575 13824+1055 14879+1203 16082+3947 "
        "20029+1461 21490+1268 22758+1421 24179+1392 25571+2383 27954+989 28943+1576 30519+912 31431+1509",
        (30000, "69000/3893", False),
        "1211111112111111111",
        "1211112111111111111",
    ),
    "mp4": (
        "0+461 461+793 1254+589 1843+487 2330+409 2739+487 3226+409 3635+487 4122+1228 5350+589 5939+435 6374+615 "
        "6989+896 7885+1049 8934+461 9395+615 10010+409 10419+947 11366+436 11802+1280 13082+1203 14285+589 14874+665 "
        "15539+512",
        (15360, "368640/16051", True),
        "111111111111111111111111",
        "111111111111111111112111",
    ),
    "mkv": (
        "0+33 42+33 83+33 125+33 167+33 208+33 250+33 292+33 333+33 375+33 417+33 458+33 500+33 542+33 583+33 625+33 "
        "667+33 708+33 750+33 792+33 833+33 875+33 917+33",
        (1000, "30", True),
        "11121112112111121112112",
        "11121121112111121121112",
    ),
    "mp4, late picture, sound": (
        "6000+991 6991+683 7674+425 8099+1337 9436+2170 11606+1819 13425+1114 14539+997 15536+2792 18328+617 "
        "18945+1122 20067+0",
        (30000, "120000/5089", False),
        "511112111111",
        "611111111111",
    ),
}


@pytest.mark.parametrize("kind", VERSIONS)
def test_versions_of_the_program_differ(kind):
    times, (ticks, rate, alone), new, old = VERSIONS[kind]
    frames = [tuple(map(int, time.split("+"))) for time in times.split()]
    for counts, rule in ((new, False), (old, True)):
        seen = Counter(shown(frames, Fraction(rate), Fraction(1, ticks), from_first=alone, old=rule))
        assert "".join(str(seen[number]) for number in range(len(frames))) == counts
