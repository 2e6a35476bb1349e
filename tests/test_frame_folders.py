"""Which folders are videos of numbered pictures, and the order of their frames."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from i3d.frame_folders import LOOKED_AT, NotFramesError, gaps, looked_at, numbered


def order(*names):
    pictures = numbered(random.Random(0).sample(names, len(names)))
    return pictures and [name for _, name in pictures]


@pytest.mark.parametrize(
    "names",
    [
        ("000.jpg", "001.jpg", "002.jpg"),
        ("2.png", "10.png", "100.png"),
        ("img_2.PNG", "img_12.png", "img_112.Png"),
        ("cam2_0009_left.tif", "cam2_0010_left.tiff"),
        ("frame 1.5x9.bmp", "frame 1.5x10.bmp"),
        ("1_9.webp", "1_11.webp"),
        ("7.jpeg",),
        ("00000000000000000000000000000000000001.jpg", "2.jpg"),
        ("9.tar.jpg", "10.tar.jpg"),
    ],
)
def test_numbers_decide_and_not_letters(names):
    assert order(*names) == list(names)
    assert order(*names, "Thumbs.db", ".DS_Store", "desktop.ini", "._000.jpg") == list(names)


@pytest.mark.parametrize(
    "names",
    [
        (),
        ("Thumbs.db",),
        ("a.jpg", "b.jpg"),
        ("x1.jpg", "y2.jpg"),
        ("1a.jpg", "2.jpg"),
        ("1.jpg", "2.txt"),
        ("1.jpg", "readme"),
        ("1_1.jpg", "2_2.jpg"),
        ("1.jpg", "jpg"),
        ("\u0661.jpg", "\u0662.jpg"),
    ],
)
def test_these_are_no_frames(names):
    assert numbered(names) is None


def test_two_pictures_of_one_number_are_named():
    for names in (["1.jpg", "01.jpg", "2.jpg"], ["1.jpg", "1.png", "2.jpg"], ["1.JPG", "1.jpg"]):
        with pytest.raises(NotFramesError, match=r"its pictures 0?1\.\w+ and 1\.\w+ have the same number; remove one"):
            numbered(names)


@given(st.sets(st.integers(8, 10**6), min_size=1, max_size=50), st.sampled_from(["{}.jpg", "a{:05}_1.png", "{}b.bmp"]))
def test_any_numbers_come_in_their_order(numbers, pattern):
    numbers |= {7}  # a picture alone may be numbered by either number
    names = [pattern.format(number) for number in numbers]
    assert numbered(names) == sorted((number, pattern.format(number)) for number in numbers)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ((5,), None),
        ((0, 1, 2), None),
        ((0, 10, 20, 30), None),
        ((0, 1, 3), "1 of the numbers 0 to 3 is missing"),
        ((7, 8, 12, 13, 20), "9 of the numbers 7 to 20 are missing"),
        ((0, 5, 15), "1 of the numbers 0 to 15 is missing"),
    ],
)
def test_gaps_are_said(numbers, words):
    assert gaps([(number, f"{number}.jpg") for number in numbers]) == words


@given(st.integers(1, 10**6))
def test_few_stand_for_all(count):
    places = looked_at(count)
    assert {0, count // 2, count - 1} <= set(places) <= set(range(count))
    assert len(places) <= LOOKED_AT + 1
    assert places == sorted(set(places))
    assert max(after - before for before, after in zip([0, *places], places, strict=False)) <= count / LOOKED_AT + 1
