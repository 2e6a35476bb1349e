"""What a misspelt name was probably meant to be."""

import re
from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the shortest known name that begins like this one, else the one spelt most like it; None if none is near.

    Upper and lower case, and what is neither letter nor digit, make no difference.
    """
    wanted, spelt = _letters(name), {each: _letters(each) for each in known}
    alike = get_close_matches(wanted, spelt.values(), 1, cutoff=0.55)
    begun = [each for each, letters in spelt.items() if len(wanted) > 1 and letters.startswith(wanted)]
    return min(begun, key=len, default=None) or next((each for each in spelt if spelt[each] in alike), None)


def _letters(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).lower()
