"""Options of codecs, readers, writers and exporters, given as text."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from drti_core.errors import OptionError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

#: A codec, reader, writer or exporter: its fields are its options.
Optioned = TypeVar("Optioned", bound="DataclassInstance")


def with_options(item: Optioned, options: Mapping[str, Any]) -> Optioned:
    """The same codec, writer, … with options changed; texts are converted to the field's type.

    Raises:
        OptionError: no such option, or a value that does not fit its type.
    """
    if not options:
        return item
    fields = {field.name for field in dataclasses.fields(item)}
    types = get_type_hints(type(item))
    values: dict[str, Any] = {}
    for name, value in options.items():
        if name not in fields:
            raise OptionError(
                f"unknown option {name!r} of {_id(item)}",
                expected=", ".join(sorted(fields)) or "no options",
            )
        values[name] = _convert(value, types[name], f"{_id(item)}: {name}")
    return dataclasses.replace(item, **values)


def own_options(item: Any) -> dict[str, Any]:
    """Options of a codec, reader, … that differ from the defaults of its class, JSON-able."""
    found = {}
    for option in dataclasses.fields(item):
        default, value = option.default, getattr(item, option.name)
        if option.default_factory is not dataclasses.MISSING:
            default = option.default_factory()
        if value != default:
            plain = value is None or isinstance(value, bool | int | float | str)
            found[option.name] = value if plain else str(value)
    return found


def parse_spec(text: str) -> tuple[str, dict[str, str]]:
    """Split ``id:option=value,option=value`` into the id and its options.

    Raises:
        OptionError: an option without ``=``.

    >>> parse_spec("rbf:planes=18,sigma=0.25")
    ('rbf', {'planes': '18', 'sigma': '0.25'})
    """
    name, _, rest = text.partition(":")
    options: dict[str, str] = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = part.partition("=")
        if not equals:
            raise OptionError(f"{part!r} in {text!r}", expected="option=value")
        options[key.strip()] = value.strip()
    return name.strip(), options


def _id(item: object) -> str:
    for name in ("codec_id", "reader_id", "writer_id", "exporter_id"):
        if hasattr(item, name):
            return str(getattr(item, name))
    return type(item).__name__


def _convert(value: Any, kind: Any, where: str) -> Any:
    """Convert a text to a field's type: Literal, bool, int, float, str, and optional ones."""
    if get_origin(kind) in (Union, UnionType):
        if (
            isinstance(value, str)
            and value.lower() in ("none", "auto")
            and NoneType in (get_args(kind))
        ):
            return None
        kind = next(k for k in get_args(kind) if k is not NoneType)
    if get_origin(kind) is Literal:
        choices = get_args(kind)
        for choice in choices:
            if str(choice) == str(value):
                return choice
        raise OptionError(f"{value!r}", where=where, expected=" or ".join(map(str, choices)))
    if not isinstance(value, str):
        return value
    if kind is bool:
        if value.lower() in ("1", "true", "yes", "on"):
            return True
        if value.lower() in ("0", "false", "no", "off"):
            return False
        raise OptionError(f"{value!r}", where=where, expected="true or false")
    try:
        return kind(value)
    except ValueError:
        raise OptionError(f"{value!r}", where=where, expected=f"{kind.__name__}") from None


def split_specs(text: str) -> list[str]:
    """Codecs with options, separated by commas: a part with ``=`` and no ``:`` is an option.

    >>> split_specs("hsh16,rbf:planes=18,sigma=0.2,ptm")
    ['hsh16', 'rbf:planes=18,sigma=0.2', 'ptm']
    """
    found: list[str] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        if found and "=" in part and ":" not in part.partition("=")[0]:
            found[-1] += f",{part}"
        else:
            found.append(part)
    return found
