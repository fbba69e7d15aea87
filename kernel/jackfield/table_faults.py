"""What is wrong with a table of options, in the words of ``plugins.toml`` instead of msgspec's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.secret import read

if TYPE_CHECKING:
    from jackfield.manifest import Table

_SOME_KEY: Final = "[...]"
"""What msgspec writes for a key of a table whose keys are names."""


def fault(message: str, table: Table, struct: type[msgspec.Struct]) -> tuple[str, str]:
    """Where in *table* the fault is that *message* tells of, and what it is.

    msgspec says "Expected `int`, got `str` - at `$.threads`". What a Struct's own check raises has no path, but begins
    with the field's name.

    Returns:
        The key path inside the table, with a full stop before each key, and the rest of the message.
    """
    text, _, path = message.partition(" - at `$")
    inner = path.rstrip("`")
    field, _, rest = text.partition(" ")
    if not inner and field.rstrip(":") in struct.__struct_encode_fields__:
        inner, text = "." + field.rstrip(":"), rest
    return _named(inner, table, struct), text[:1].lower() + text[1:]


def _named(path: str, table: Table, struct: type[msgspec.Struct]) -> str:
    """*path* with the name at fault where msgspec has none: the first whose value cannot be read by itself."""
    field, some, rest = path.partition(_SOME_KEY)
    entries = table.get(field.removeprefix("."))
    if not some or not isinstance(entries, Mapping):
        return path
    for name, value in entries.items():
        try:
            msgspec.convert({field.removeprefix("."): {name: value}}, struct, dec_hook=read)
        except (msgspec.ValidationError, ValueError):
            return f"{field}.{name}{rest}"
    return path
