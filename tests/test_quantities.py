"""Numbers in words."""

from i3d import quantities


def test_numbers_in_words():
    assert [quantities.duration(seconds) for seconds in (0.4, 89, 90, 3600, 5400, 86400)] == [
        *("0 s", "89 s", "2 min", "60 min", "1.5 h", "24.0 h"),
    ]
    assert [quantities.count(number, "video") for number in (0, 1, 2000)] == ["0 videos", "1 video", "2,000 videos"]
    assert [quantities.size(number) for number in (0, 999, 1000, 61_400_000, 2.5e15)] == [
        *("0 B", "999 B", "1 kB", "61.4 MB", "2,500.0 TB"),
    ]
