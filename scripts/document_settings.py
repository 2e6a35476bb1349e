"""Write what comes from i3d/settings.py: config/schema.yaml, and the table in docs/settings.md (`make settings`)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from i3d.config import schema
from i3d.files import write_atomically

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- settings:begin -->", "<!-- settings:end -->"
TOP = "# Made from i3d/settings.py by `make settings`: every setting, its meaning and its default.\n"


def files() -> dict[Path, str]:
    """What each of the files should hold."""
    header = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Configuration of the workflow"}
    page = ROOT / "docs/settings.md"
    before, _, rest = page.read_text().partition(BEGIN)
    table = ["| setting | default | meaning |", "|---|---|---|", *_rows(schema(), "")]
    return {
        ROOT / "config/schema.yaml": TOP + yaml.safe_dump(header | _plain(schema()), sort_keys=False, width=120),
        page: before + "\n".join([BEGIN, "", *table, "", END]) + rest.partition(END)[2],
    }


def _plain(value: Any) -> Any:
    """The schema without tuples, which YAML would mark."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def _rows(section: dict[str, Any], prefix: str) -> Iterator[str]:
    for key, own in section["properties"].items():
        if "properties" in own:
            yield f"| `{prefix}{key}` | | {own['description']} |"
            yield from _rows(own, f"{prefix}{key}.")
        else:
            choices = f" ({', '.join(f'`{_text(choice)}`' for choice in own['enum'])})" if "enum" in own else ""
            yield f"| `{prefix}{key}` | `{_text(own['default'])}` | {own['description']}{choices} |"


def _text(value: Any) -> str:
    """A value as YAML has it."""
    return yaml.safe_dump(_plain(value), default_flow_style=True, width=1000).removesuffix("\n...\n").strip()


if __name__ == "__main__":
    for path, content in files().items():
        write_atomically(path, content)
