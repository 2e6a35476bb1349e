"""Wildcards for paths, in time that grows no faster than the square of a path's length.

`*` matches any characters but `/`, `?` one, `[0-9]` one of these, `[!0-9]` one of all others, `**` any folders, and
`{category}` the category, as few characters as fit. A pattern without `/` is matched against the last part of a path.
"""

import re

from i3d.errors import UserError

LONGEST, MOST_WILDCARDS = 200, 12
TOKEN = re.compile(r"\{category\}|\*|\?|\[!?[^\[\]/]+\]|[^*?\[\]{}]")


class Pattern:
    """A pattern; `name` is its key in messages. Raises UserError for an invalid pattern."""

    def __init__(self, text: str, name: str = "pattern") -> None:
        self.text = text
        self._whole = "/" in text
        parts = text.split("/")
        tokens = [TOKEN.findall(part) for part in parts if part != "**"]
        if "".join(token for part in tokens for token in part) != "".join(part for part in parts if part != "**"):
            raise UserError(
                f"{name}: {text!r} is no pattern; it may contain *, ?, [0-9], ** between slashes and {{category}}"
            )
        wildcards = [token for part in tokens for token in part if token in ("*", "{category}")]
        if len(text) > LONGEST or len(wildcards) > MOST_WILDCARDS or parts[:-1].count("**") > 1:
            raise UserError(
                f"{name}: {text!r} is too much; use at most {LONGEST} characters, {MOST_WILDCARDS} wildcards and one "
                "** before the last part"
            )
        if wildcards.count("{category}") > 1 or "" in parts:
            raise UserError(f"{name}: {text!r} is no pattern; it may contain {{category}} once, and no //")
        self.names_category = "{category}" in wildcards
        self._expression = re.compile(_expression(parts))

    def fits(self, path: str) -> bool:
        """Whether a path matches."""
        return self._match(path) is not None

    def category(self, path: str) -> str | None:
        """The text that `{category}` matches in a path; None unless the path matches."""
        match = self._match(path)
        return match["category"] if match is not None and self.names_category else None

    def _match(self, path: str) -> re.Match[str] | None:
        return self._expression.fullmatch(path if self._whole else path.rpartition("/")[2])


def _expression(parts: list[str]) -> str:
    *folders, last = parts
    begin = ["(?:[^/]+/)*" if part == "**" else _part(part) + "/" for part in folders]
    return "".join(begin) + (".+" if last == "**" else _part(last))


def _part(part: str) -> str:
    """One part of a path. Each wildcard but the last matches as little as possible and is not tried again."""
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
