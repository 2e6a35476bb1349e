"""The configuration: checked against config/schema.yaml, which also holds every default."""

import math
import os
from copy import deepcopy
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, ValidationError

from i3d.errors import UserError

SCHEMA = Path(__file__).parents[1] / "config" / "schema.yaml"

RANDOM = "random"  # the value of `weights` that stands for seeded weights

# The settings that fix the numbers in a feature. A change of one makes every feature due again.
NUMERIC_SETTINGS = ("model", "normalization", "precision", "sample_mode", "frequency", "clip_length", "fps", "via_jpeg")


@cache
def load_schema() -> dict[str, Any]:
    """The schema as a dictionary, not to be changed."""
    return yaml.safe_load(SCHEMA.read_text())


def complete(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return `config` with the defaults of all absent keys, and `~` in paths replaced by the home folder.

    What `--config` hands over as text, as all within `{...}`, is read as YAML where the schema wants another type.
    A `prefix`, as a Snakemake module may have one, goes before relative paths.
    Raises UserError naming the key, what is wrong with it and what to write.
    """
    schema = load_schema()
    config = _typed(schema, config)
    for error in sorted(Draft202012Validator(schema).iter_errors(config), key=lambda e: [str(p) for p in e.path]):
        raise UserError(_sentence(error, config))
    _refuse_unprintable(config, "")
    if config.get("fps") and config.get("via_jpeg"):
        raise UserError(
            "config: 'fps' and 'via_jpeg' exclude each other, as the original scripts kept each recording's rate; "
            "leave one of them out"
        )
    return _with_defaults(schema, config, prefix)


def _typed(schema: dict[str, Any], value: Any) -> Any:
    """`value` with texts read as YAML wherever `schema` does not want a text."""
    if isinstance(value, dict):
        if isinstance(free := schema.get("additionalProperties"), dict):
            return {str(key): _typed(free, inner) for key, inner in value.items()}
        known = schema.get("properties", {})
        return {key: _typed(known.get(key, {}), inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_typed(schema.get("items", {}), inner) for inner in value]
    if isinstance(value, str) and value not in schema.get("enum", [value]):
        by_name = {_named(choice): choice for choice in schema["enum"]}
        return by_name.get(value.lower(), value)
    if isinstance(value, str) and "type" in schema:
        kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
        try:
            read = yaml.safe_load(value)
        except (yaml.YAMLError, ValueError, RecursionError):
            return value
        if "string" not in kinds or (read is None and "null" in kinds):
            return read
    return value


def _named(choice: str | bool) -> str:
    """How a configuration names one of several choices."""
    return choice if isinstance(choice, str) else str(choice).lower()


def _refuse_unprintable(value: Any, where: str) -> None:
    """Raise UserError on what YAML and JSON schema admit and no path or number may hold."""
    if isinstance(value, dict):
        for key, inner in value.items():
            _refuse_unprintable(inner, f"{where}.{key}" if where else key)
    elif isinstance(value, list):
        for inner in value:
            _refuse_unprintable(inner, where)
    elif isinstance(value, str) and not value.isprintable():
        raise UserError(f"config: invalid value {value!a} of '{where}'; expected a text without control characters")
    elif isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"config: invalid value {value} of '{where}'; expected a finite number")


def _with_defaults(schema: dict[str, Any], config: dict[str, Any], prefix: str) -> dict[str, Any]:
    full = deepcopy(config)
    for key, value in schema["properties"].items():
        if "properties" in value:
            full[key] = _with_defaults(value, full.get(key, {}), prefix)
            continue
        full.setdefault(key, deepcopy(value["default"]))
        if value.get("format") == "path" and full[key] is not None:
            full[key] = os.path.expanduser(full[key])  # noqa: PTH111 (a Path would also tidy `./x` and `x/`)
            _refuse_path(key, full[key])
            if full[key].startswith(".."):  # Snakemake keeps copies below its own folder, by the path as it is
                full[key] = os.path.abspath(full[key])  # noqa: PTH100
            if prefix and full[key] != RANDOM:
                full[key] = os.path.join(prefix, full[key])  # noqa: PTH118 (likewise)
    return full


def _refuse_path(key: str, path: str) -> None:
    """Raise UserError on a path that Snakemake, or a program's command line, would take for something else."""
    if set(path) & set("{}<>"):
        raise UserError(f"config: invalid value {path!r} of '{key}'; expected a path without {{, }}, < and >")
    if path.startswith("-"):
        raise UserError(f"config: invalid value {path!r} of '{key}'; expected a path that does not begin with a dash")


def without_defaults(config: dict[str, Any]) -> dict[str, Any]:
    """What `config`, a completed one or some sections of it, says beyond the defaults; `complete` gives it back."""
    return _beyond(load_schema(), config)


def _beyond(schema: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for key, value in config.items():
        own = schema["properties"][key]
        if "properties" in own:
            value = _beyond(own, value)
            if value:
                found[key] = value
        elif value != own["default"]:
            found[key] = value
    return found


def _sentence(error: ValidationError, config: dict[str, Any]) -> str:
    where = ".".join(str(part) for part in error.absolute_path)
    if error.validator == "additionalProperties":
        known = list(error.schema["properties"])
        unknown = next(key for key in error.instance if key not in known)
        name = f"{where}.{unknown}" if where else str(unknown)
        near = get_close_matches(str(unknown), known, 1, cutoff=0.5)
        hint = f"did you mean '{near[0]}'?" if near else f"the keys are: {', '.join(known)}"
        return f"config: there is no key {name!r}; {hint}"
    if not where:
        return "config: the file must hold keys and values, like 'videos: dataset/videos'"
    schema: Any = load_schema()
    for part in error.absolute_path:
        schema = schema["items"] if isinstance(part, int) else _property(schema, part)
    meaning = f" ({schema['description']})" if "description" in schema else ""
    return f"config: invalid value {error.instance!r} of '{where}'; expected {_expected(schema)}{meaning}"


def _property(schema: dict[str, Any], key: str) -> dict[str, Any]:
    """The schema of one key; of any key where keys are free."""
    return schema["properties"][key] if "properties" in schema else schema["additionalProperties"]


def _expected(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return "one of " + ", ".join(_named(value) for value in schema["enum"])
    kinds = schema.get("type", "value")
    words = {
        "array": "a list like [a, b]",
        "string": "a text",
        "integer": "a whole number",
        "number": "a number",
        "boolean": "true or false",
        "null": "null",
        "object": "a block of keys",
    }
    text = " or ".join(words.get(kind, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds))
    if "minimum" in schema:
        text += f" of at least {schema['minimum']}"
    if "exclusiveMinimum" in schema:
        text += f" above {schema['exclusiveMinimum']}"
    if "maximum" in schema:
        text += f" and at most {schema['maximum']}"
    if "exclusiveMaximum" in schema:
        text += f" and below {schema['exclusiveMaximum']}"
    if "pattern" in schema:
        text += f" of the form {schema['pattern']}"
    return text
