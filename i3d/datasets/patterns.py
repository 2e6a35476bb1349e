"""Wildcards for paths, in time that grows no faster than the square of a path's length.

`*` stands for any characters but `/`, `?` for one, `[0-9]` for one of some, `[!0-9]` for one of all others, `**` for
any folders, and `{category}` for what it gives its name to, as few characters as fit. A pattern without `/` is held
against the last part of a path.
"""

import re

from i3d.errors import UserError

LONGEST, MOST_WILDCARDS = 200, 12
TOKEN = re.compile(r"\{category\}|\*|\?|\[!?[^\[\]/]+\]|[^*?\[\]{}]")


class Pattern:
    """A pattern; `name` says in messages where it stands. Raises UserError for one that is not valid."""

    def __init__(self, text: str, name: str = "pattern") -> None:
        self.text = text
        self._whole = "/" in text
        parts = text.split("/")
        tokens = [TOKEN.findall(part) for part in parts if part != "**"]
        if "".join(token for part in tokens for token in part) != "".join(part for part in parts if part != "**"):
            raise UserError(
                f"{name}: {text!r} is no pattern; it may hold *, ?, [0-9], ** between slashes and {{category}}"
            )
        wildcards = [token for part in tokens for token in part if token in ("*", "{category}")]
        if len(text) > LONGEST or len(wildcards) > MOST_WILDCARDS or parts[:-1].count("**") > 1:
            raise UserError(
                f"{name}: {text!r} is too much; {LONGEST} characters, {MOST_WILDCARDS} wildcards and one ** before the "
                "last part must do"
            )
        if wildcards.count("{category}") > 1 or "" in parts:
            raise UserError(f"{name}: {text!r} is no pattern; {{category}} may stand in it once, and // not at all")
        self.names_category = "{category}" in wildcards
        self._expression = re.compile(_expression(parts))

    def fits(self, path: str) -> bool:
        """Whether a path fits."""
        return self._match(path) is not None

    def category(self, path: str) -> str | None:
        """What stands for `{category}` in a path that fits."""
        match = self._match(path)
        return match["category"] if match is not None and self.names_category else None

    def _match(self, path: str) -> re.Match[str] | None:
        return self._expression.fullmatch(path if self._whole else path.rpartition("/")[2])


def _expression(parts: list[str]) -> str:
    found = []
    for place, part in enumerate(parts):
        last = place == len(parts) - 1
        if part == "**":
            found.append(".+" if last else "(?:[^/]+/)*")
        else:
            found.append(_part(part) + ("" if last else "/"))
    return "".join(found)


def _part(part: str) -> str:
    """One part of a path. Each wildcard but the last takes as little as it can and is not tried again."""
    pieces, fixed, wildcard = [], "", ""
    for token in TOKEN.findall(part):
        if token not in ("*", "{category}"):
            fixed += _single(token)
            continue
        pieces.append((wildcard, fixed))
        wildcard, fixed = ("(?P<category>[^/]+?)" if token == "{category}" else "[^/]*?"), ""
    begin = [f"(?>{wild}{rest})" for wild, rest in pieces]
    return "".join(begin) + wildcard + fixed


def _single(token: str) -> str:
    if token == "?":
        return "[^/]"
    if token.startswith("["):
        inside = token[1:-1].replace("\\", r"\\").replace("^", r"\^").replace("&", r"\&").replace("~", r"\~")
        return f"[{'^/' + inside[1:] if inside.startswith('!') else inside}]"
    return re.escape(token)
