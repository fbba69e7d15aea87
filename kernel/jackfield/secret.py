"""``Secret``: a text that no output shows.

A field of a plugin's options that holds a key, a token or a password has this type::

    class MyConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        token: Secret | None = None

It is written as a plain text in ``plugins.toml``; ``jackfield config show``, errors, logs and documentation show
``***``. Only ``reveal()`` gives the text, so that every place that takes it out can be found.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Annotated, Final, NoReturn, TypeAlias

import msgspec

SecretReference: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9-]*:.", max_length=4096)]
"""Type of an option that says where a secret is, and has none in it: ``file:/etc/jackfield/audit.key``.

What stands before the colon names a secret source (``jackfield.ports.secret_source``); ``PluginInstance.secret`` reads
it.
"""

HIDDEN: Final = "***"
"""What is shown instead, whatever the secret and its length."""


class Secret:
    """A text that no output shows: not ``str``, ``repr``, f-strings, logs, JSON or msgpack.

    Parameters:
        value: The text itself.

    Immutable, and safe to use from any thread. Pickling raises ``TypeError``: there is no form of it that both hides
    the text and keeps it.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text. The caller answers for where it goes."""
        return self._value

    def __repr__(self) -> str:
        return HIDDEN

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(HIDDEN, spec)

    def __bool__(self) -> bool:
        """Whether there is any text."""
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        """Whether both hide the same text; takes equally long wherever they differ."""
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(
            self._value.encode(errors="surrogatepass"), other._value.encode(errors="surrogatepass")
        )

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, _memo: dict[int, object]) -> Secret:
        return self

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("a Secret is not pickled: it would be readable wherever the pickle goes")


def holds_secret(value: object) -> bool:
    """Whether there is a ``Secret`` in *value*: itself, or in its fields, values or elements."""
    if isinstance(value, msgspec.Struct):
        return any(holds_secret(getattr(value, name)) for name in value.__struct_fields__)
    if isinstance(value, Mapping):
        return any(map(holds_secret, value.values()))
    if isinstance(value, list | tuple | set | frozenset):
        return any(map(holds_secret, value))
    return isinstance(value, Secret)


def show(value: object) -> object:
    """msgspec's ``enc_hook`` for whatever may hold secrets: they become ``***``.

    Raises:
        NotImplementedError: *value* is of another type that msgspec does not know.
    """
    if isinstance(value, Secret):
        return HIDDEN
    raise NotImplementedError(f"{type(value).__name__} cannot be written")


def read(kind: type, value: object) -> object:
    """msgspec's ``dec_hook`` for options: a text becomes a ``Secret``, what may be anything stays as it is.

    Raises:
        ValueError: *value* is no text; the message does not repeat it.
        NotImplementedError: *kind* is another type that msgspec does not know.
    """
    if kind is object:
        return value
    if kind is not Secret:
        raise NotImplementedError(f"options of the type {kind.__name__} are not supported")
    if not isinstance(value, str):
        raise ValueError(f"Expected a text in quotes, got {type(value).__name__}")  # noqa: TRY004 - becomes the option's error
    return Secret(value)
