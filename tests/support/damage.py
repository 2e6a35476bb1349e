"""Files of the workflow's own as accidents and strangers leave them: nearly right."""

import json
from collections.abc import Mapping

from hypothesis import strategies as st

HOSTILE = ["../x", "/etc/passwd", "a\0b", "ok", "-1", "1e999", "test/../../x.npy", "\ud800", "=1+1", "x" * 300]
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.sampled_from(HOSTILE)),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=3), inner, max_size=2)),
    max_leaves=4,
)


@st.composite
def damage(draw, files: Mapping[str, bytes]) -> tuple[str, bytes]:
    """One of some files and another content for it: bytes changed, cut, doubled, or a value replaced."""
    name = draw(st.sampled_from(sorted(files)))
    content = files[name]
    how = draw(st.sampled_from(["bytes", "cut", "twice", "value", "value", "value"]))
    if how == "bytes" and content:
        place = draw(st.integers(0, len(content) - 1))
        return name, content[:place] + draw(st.binary(min_size=1, max_size=4)) + content[place + 1 :]
    if how == "cut":
        return name, content[: draw(st.integers(0, len(content)))]
    if how == "twice":
        return name, content + content
    return name, _with_a_value(draw, content)


def _with_a_value(draw, content: bytes) -> bytes:
    lines = content.split(b"\n") if content.count(b"\n{") else [content]
    which = draw(st.integers(0, len(lines) - 1))
    try:
        value = json.loads(lines[which])
    except ValueError:  # a table
        cells = content.split(b",")
        cells[draw(st.integers(0, len(cells) - 1))] = str(draw(VALUES)).encode(errors="replace")
        return b",".join(cells)
    place, key = {"": value}, ""
    for _ in range(draw(st.integers(0, 5))):
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner:
            break
        place, key = inner, draw(st.sampled_from(sorted(inner) if isinstance(inner, dict) else range(len(inner))))
    top = place is not value and key == ""
    if isinstance(place, dict) and not top and draw(st.booleans()):
        place[draw(st.sampled_from(HOSTILE))] = place.pop(key)  # under another name
    else:
        place[key] = draw(VALUES)
    lines[which] = json.dumps(place[""] if top else value).encode(errors="surrogatepass")
    return b"\n".join(lines)
