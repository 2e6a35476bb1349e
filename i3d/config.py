"""The configuration: the user's settings, checked against `i3d.settings` and completed with defaults."""

import math
import os
import re
from copy import deepcopy
from datetime import date
from errno import ENAMETOOLONG
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec
import yaml
from jsonschema import Draft202012Validator, ValidationError

from i3d.backbones import BACKBONES, kind
from i3d.errors import UserError
from i3d.settings import RANDOM, SHEET_SUFFIXES, Settings
from i3d.spelling import nearest

NOT_EXPANDED = {  # beginnings that would be taken for names of folders
    r"[$%]": "variables are not expanded here: write the path out, or let the shell do it, without single quotes",
    r"~": "there is no such user, whose home it could be; write the path out",
    r"\w+:/": "addresses are not read; write a path on this machine",
}
MOST_VALUES = 1_000_000  # of a configuration, with its YAML aliases expanded


def complete(config: dict[str, Any], prefix: str = "") -> Settings:
    """Check `config` and return all settings, with defaults for absent keys and `~` expanded in paths.

    Texts, as `--config` passes everything within `{...}`, are read as YAML where another type is wanted. `prefix`, the
    prefix of a Snakemake module, goes before relative paths.
    Raises UserError naming the key, what is wrong with it and what to write.
    """
    _refuse_endless(config)
    config = _typed(schema(), config)
    for error in sorted(Draft202012Validator(schema()).iter_errors(config), key=lambda e: [str(p) for p in e.path]):
        raise UserError(_sentence(error, config))
    _refuse_unprintable(config, "")
    if config.get("fps") and config.get("via_jpeg"):
        raise UserError(
            "config: 'fps' and 'via_jpeg' exclude each other, as the original scripts kept each recording's rate; "
            "leave one of them out"
        )
    try:
        return msgspec.convert(_with_paths(schema(), _suiting_the_model(config), prefix), Settings)
    except msgspec.ValidationError as error:  # of what JSON schema lets pass, such as a number of 400 digits
        expected, _, where = str(error).partition(" - at `$.")
        raise UserError(
            f"config: invalid value of '{where.rstrip('`')}'; {expected[:1].lower()}{expected[1:]}"
        ) from None


def _refuse_endless(value: Any) -> None:
    """Raise UserError for YAML whose aliases expand beyond any sensible configuration, or contain themselves."""
    rest, seen = [value], 0
    while rest:
        inner = rest.pop()
        seen += 1
        if isinstance(inner, dict | list):
            rest += inner.values() if isinstance(inner, dict) else inner
        if seen + len(rest) > MOST_VALUES:
            raise UserError(
                f"config: its lists unfold to more than {MOST_VALUES:,} values; look at its YAML aliases (`&`, `*`)"
            )


def _suiting_the_model(config: dict[str, Any]) -> dict[str, Any]:
    """Set the model's own weights file where none was chosen. Raises UserError for settings that do not fit it."""
    defaults = {name: own.get("default") for name, own in schema()["properties"].items()}
    chosen = defaults | config
    model = chosen["model"]
    network = kind(model)
    for name, meant, words in (
        ("normalization", network.normalizations, "pixels are normalised as it was trained"),
        ("frame_pooling", network.frame_poolings, "it takes snippets whole"),
    ):
        if chosen[name] not in (defaults[name], *meant):
            raise UserError(
                f"config: '{name}: {chosen[name]}' has no meaning for the model {model}, {words}; leave it out"
            )
    if model in BACKBONES:  # only timm knows the others
        BACKBONES[model].check_clip_length(chosen["clip_length"])
    if chosen["weights"] == defaults["weights"]:
        config = config | {"weights": network.default_weights(model)}
    return config


def beyond_defaults(settings: Settings, *keys: str) -> dict[str, Any]:
    """Return the settings, all or these alone, that are not defaults, as `complete` accepts them."""
    return _beyond(schema(), {key: value for key, value in as_dict(settings).items() if not keys or key in keys})


def as_dict(settings: Settings) -> dict[str, Any]:
    """Return the settings as plain dictionaries and lists."""
    return msgspec.to_builtins(settings)


@cache
def schema() -> dict[str, Any]:
    """Return the JSON schema of the settings, without references. Callers must not change it."""
    definitions = msgspec.json.schema(Settings)["$defs"]
    return _in_order(_inlined(definitions["Settings"], definitions), Settings)


def _inlined(node: Any, definitions: dict[str, Any]) -> Any:
    """Return a part of msgspec's schema with references resolved and alternatives of single types merged."""
    if isinstance(node, list):
        return [_inlined(each, definitions) for each in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        section = definitions[node["$ref"].rpartition("/")[2]]
        return _inlined(section, definitions) | {"description": node["description"]}
    node = {key: _inlined(value, definitions) for key, value in node.items() if key not in ("title", "required")}
    if choices := node.pop("anyOf", None):
        if any("enum" in choice for choice in choices):
            node["enum"] = [value for choice in choices for value in choice.get("enum", [False, True])]
        else:
            for choice in choices:
                node |= {key: value for key, value in choice.items() if key != "type"}
            node["type"] = [choice["type"] for choice in choices]
    return node


def _in_order(schema: dict[str, Any], section: type[msgspec.Struct]) -> dict[str, Any]:
    """Restore the order in which choices are defined, as msgspec sorts them."""
    for key, hint in get_type_hints(section, include_extras=True).items():
        kind = get_args(hint)[0]
        if "properties" in (own := schema["properties"][key]):
            _in_order(own, kind)
        elif "enum" in own and get_origin(kind) is Literal:
            own["enum"] = list(get_args(kind))
    return schema


def _typed(schema: dict[str, Any], value: Any) -> Any:
    """Return `value` with texts read as YAML, one text as a list of it, and 16.0 as 16, where `schema` wants these."""
    kinds = [schema["type"]] if isinstance(schema.get("type"), str) else schema.get("type", [])
    if isinstance(value, dict):
        if isinstance(free := schema.get("additionalProperties"), dict):
            return {str(key): _typed(free, inner) for key, inner in value.items()}
        known = schema.get("properties", {})
        return {key: _typed(known.get(key, {}), inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_typed(schema.get("items", {}), inner) for inner in value]
    if type(value) is int and kinds == ["string"] and "pattern" in schema:
        return str(value)  # YAML's reading of the suffix 264
    if type(value) is int and kinds == ["array"]:
        return [str(value)]
    if isinstance(value, str) and value not in schema.get("enum", [value]):
        by_name = {_named(choice): choice for choice in schema["enum"]}
        return by_name.get(value.lower(), value)
    if isinstance(value, float) and value.is_integer() and "integer" in kinds:
        return int(value)
    if isinstance(value, str) and kinds:
        try:
            read = yaml.safe_load(value)
        except (yaml.YAMLError, ValueError, RecursionError):
            return [value] if kinds == ["array"] else value
        if kinds == ["array"] and not isinstance(read, list | dict | None):
            return [read if isinstance(read, str) else value]
        if "string" not in kinds or (read is None and "null" in kinds):
            _refuse_endless(read)
            return read if isinstance(read, str) else _typed(schema, read)
    return value


def _named(choice: str | bool) -> str:
    """Return a choice as a configuration spells it."""
    return choice if isinstance(choice, str) else str(choice).lower()


def _refuse_unprintable(value: Any, where: str) -> None:
    """Raise UserError for control characters and infinite numbers, which YAML and JSON schema admit."""
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


def _with_paths(schema: dict[str, Any], config: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Return the configuration with all paths, chosen or default, in a form that programs can use."""
    full = deepcopy(config)
    for key, value in schema["properties"].items():
        if "properties" in value:
            full[key] = _with_paths(value, full.get(key, {}), prefix)
        elif value.get("additionalProperties", {}).get("items", {}).get("format") == "path":
            full[key] = {
                name: [_usable_path(key, path, prefix) for path in paths] for name, paths in full.get(key, {}).items()
            }
        elif (path := full.get(key, value["default"])) is not None and (
            value.get("format") == "path" or (value.get("format") == "sheet" and path.endswith(SHEET_SUFFIXES))
        ):
            full[key] = _usable_path(key, path, prefix)
    return full


def _usable_path(key: str, path: str, prefix: str) -> str:
    """Raise UserError for a path that Snakemake, or a program's command line, would misread."""
    path = os.path.expanduser(path)  # noqa: PTH111 (a Path would also tidy `./x` and `x/`)
    for beginning, remedy in NOT_EXPANDED.items():
        if re.match(beginning, path) and not os.path.lexists(Path(prefix, path.partition("/")[0])):
            raise UserError(f"config: invalid value {path!r} of '{key}'; {remedy} (a folder of that name: ./{path})")
    if set(path) & set("{}<>"):
        raise UserError(f"config: invalid value {path!r} of '{key}'; expected a path without {{, }}, < and >")
    if path.startswith("-"):
        raise UserError(f"config: invalid value {path!r} of '{key}'; expected a path that does not begin with a dash")
    if path.startswith(".."):  # Snakemake keeps copies below its own folder, by the unchanged path
        path = os.path.abspath(path)  # noqa: PTH100
    full = os.path.join(prefix, path) if prefix and path != RANDOM else path  # noqa: PTH118 (likewise)
    try:
        os.lstat(full)
    except OSError as error:
        if error.errno == ENAMETOOLONG:
            raise UserError(
                f"config: invalid value {path[:40]}... of '{key}'; expected a path that a file system can hold"
            ) from None
    return full


def _beyond(schema: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    changed = {}
    for key, value in config.items():
        own = schema["properties"][key]
        if "properties" in own:
            if section := _beyond(own, value):
                changed[key] = section
        elif value != own["default"]:
            changed[key] = value
    return changed


def _sentence(error: ValidationError, config: dict[str, Any]) -> str:
    where = ".".join(str(part) for part in error.absolute_path)
    if error.validator == "additionalProperties":
        known = list(error.schema["properties"])
        unknown = next(key for key in error.instance if key not in known)
        name = f"{where}.{unknown}" if where else str(unknown)
        near = nearest(str(unknown), known)
        hint = f"did you mean '{near}'?" if near else f"the keys are: {', '.join(known)}"
        if ":" in str(unknown):
            hint = "write a space after the colon"
        return f"config: there is no key {name!r}; {hint}"
    if not where:
        return "config: the file must hold keys and values, like 'videos: dataset/videos'"
    node: Any = schema()
    for part in error.absolute_path:
        node = node["items"] if isinstance(part, int) else _property(node, part)
    meaning = f" ({node['description']})" if "description" in node else ""
    given, quotes = error.instance, ""
    if node.get("type") == "string" and isinstance(given, bool | int | float | date):
        given, quotes = yaml.safe_dump(given).partition("\n")[0], "; put it in quotes: YAML reads it as something else"
    return f"config: invalid value {given!r} of '{where}'; expected {_expected(node)}{meaning}{quotes}"


def _property(schema: dict[str, Any], key: str) -> dict[str, Any]:
    """Return the schema of one key, or of any key where keys are free."""
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
    for bound, word in (
        ("minimum", "of at least"),
        ("exclusiveMinimum", "above"),
        ("maximum", "and at most"),
        ("exclusiveMaximum", "and below"),
        ("pattern", "of the form"),
    ):
        text += f" {word} {schema[bound]}" if bound in schema else ""
    return text
