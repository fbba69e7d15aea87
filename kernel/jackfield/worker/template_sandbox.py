"""The sandbox of chat templates: Jinja with the field's additions, and with all that can make huge values bounded.

Semantics are those of Hugging Face's ``apply_chat_template`` (``transformers/utils/chat_template_utils.py``):
``trim_blocks`` and ``lstrip_blocks``, loop controls, ``generation``, ``raise_exception``, ``strftime_now``, and a
``tojson`` that keeps Unicode and key order.
"""

from __future__ import annotations

import datetime as dt
import json
import string
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

import jinja2
from jinja2.compiler import CodeGenerator
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.filters import make_attrgetter
from jinja2.nodes import Scope
from jinja2.sandbox import ImmutableSandboxedEnvironment

if TYPE_CHECKING:
    from jinja2.compiler import Frame
    from jinja2.nodes import Concat, Node
    from jinja2.parser import Parser

_OPERAND_MAX: Final = 1 << 24
"""Largest string or list that ``*``, ``+`` or a padding filter may make: as large as the largest request body."""

_AROUND: Final = 16
"""Counted for each value inside another one besides its characters, so that a million are too many."""

_INTEGER_BITS_MAX: Final = 64
"""Larger integers only come from repeated multiplication, which grows without end."""

_INDENT_MAX: Final = 32
"""Columns of indentation; templates use 2 and 4."""

_SEPARATOR_MAX: Final = 8
"""Characters of what ``tojson`` writes between values; templates use at most two."""

_FILTERS: Final = frozenset(
    (
        "abs",
        "capitalize",
        "count",
        "default",
        "d",
        "dictsort",
        "escape",
        "e",
        "first",
        "float",
        "forceescape",
        "groupby",
        "int",
        "items",
        "last",
        "length",
        "list",
        "lower",
        "map",
        "max",
        "min",
        "reject",
        "rejectattr",
        "reverse",
        "round",
        "safe",
        "select",
        "selectattr",
        "sort",
        "title",
        "trim",
        "unique",
        "upper",
    )
)
"""Jinja's own filters that cannot make something much larger than what they are given."""

_GROWING_METHODS: Final = frozenset(
    (
        "center",
        "expandtabs",
        "format_map",
        "ljust",
        "rjust",
        "translate",
        "zfill",
    )
)


_COMPILERS_OWN: Final = frozenset(("_block_vars", "_loop_vars"))
"""What compiled templates give to calls besides the arguments (``CodeGenerator.signature``)."""


class TemplateRefused(Exception):
    """The template called ``raise_exception``: it does not accept this conversation."""


def sandbox() -> ImmutableSandboxedEnvironment:
    """An environment for chat templates. Any thread."""
    environment = _Sandbox(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, _Generation], finalize=_bounded
    )
    kept = {name: function for name, function in environment.filters.items() if name in _FILTERS}
    environment.filters.clear()
    environment.filters.update(kept)
    environment.filters["tojson"] = _to_json
    environment.filters["indent"] = _indent
    environment.filters["join"] = _join
    environment.filters["string"] = _written
    environment.filters["replace"] = _replace
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = _strftime_now
    for name in ("lipsum", "cycler", "joiner"):
        environment.globals.pop(name)
    return environment


class _Generation(Extension):
    """``{% generation %}``, which marks an assistant's turn for training (``AssistantTracker``) and changes no text."""

    tags = {"generation"}  # noqa: RUF012 - as Jinja declares it

    def parse(self, parser: Parser) -> Node:
        line = next(parser.stream).lineno
        return Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)


class _Code(CodeGenerator):
    """Compiles ``~`` to a call of ours; Jinja's sandbox cannot intercept it."""

    def visit_Concat(self, node: Concat, frame: Frame) -> None:  # noqa: N802 - Jinja's name
        self.write("environment.concat(map(environment.finalize, (")
        for each in node.nodes:
            self.visit(each, frame)
            self.write(", ")
        self.write(")))")


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's immutable sandbox, with all that can make huge values of small ones bounded."""

    code_generator_class = _Code
    intercepted_binops = frozenset({"+", "*", "**", "%"})

    @staticmethod
    def concat(parts: Iterable[object]) -> str:
        """What macros, blocks and ``~`` put together."""
        return _joined("", parts)

    def call_binop(self, context: jinja2.runtime.Context, operator: str, left: object, right: object) -> object:
        if operator == "**" or (operator == "%" and isinstance(left, str)):
            raise SecurityError(f"operator {operator} is not available in chat templates")
        if operator == "*":
            _bound_product(left, right)
        elif operator == "+" and isinstance(left, str | list) and isinstance(right, str | list):
            _bound(len(left) + len(right))
        return super().call_binop(context, operator, left, right)

    def is_safe_attribute(self, obj: object, attr: str, value: object) -> bool:
        """Also refuses the string methods that make a long string of a short one."""
        if isinstance(obj, str) and attr in _GROWING_METHODS:
            return False
        return super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: object) -> None:
        """Nothing of Jinja's: it checks what a format string reads, not how wide it writes; see ``_formatted``."""

    def call(self, context: jinja2.runtime.Context, function: object, *args: object, **kwargs: object) -> object:
        """Bounds ``replace``, ``join`` and ``format`` of texts, the growing methods that templates really use."""
        owner, name = getattr(function, "__self__", None), getattr(function, "__name__", "")
        if isinstance(owner, str) and name == "replace":
            return _replace(owner, *[str(argument) for argument in args[:2]])
        if isinstance(owner, str) and name == "join" and args and isinstance(args[0], Iterable):
            return _joined(owner, args[0])
        if isinstance(owner, str) and name == "format":
            named = {key: _written(each) for key, each in kwargs.items() if key not in _COMPILERS_OWN}
            return _formatted(owner, [_written(each) for each in args], named)
        return super().call(context, function, *args, **kwargs)


def _replace(text: str, old: str, new: str) -> str:
    _bound(len(text) + text.count(old) * len(new))
    return text.replace(old, new)


def _formatted(text: str, values: list[str], named: dict[str, str]) -> str:
    """``text.format`` with plain fields only: no attributes, widths or conversions."""
    fields = 0
    for _, field, spec, conversion in string.Formatter().parse(text):
        fields += field is not None
        if spec or conversion or (field and not field.isidentifier() and not field.isdecimal()):
            raise SecurityError("only plain fields are available in format strings of chat templates")
    _bound(len(text) + fields * max(map(len, [*values, *named.values()]), default=0))
    return text.format(*values, **named)


def _joined(separator: str, parts: Iterable[object]) -> str:
    texts = [_written(part) for part in parts]
    _bound(sum(map(len, texts)) + len(separator) * len(texts))
    return separator.join(texts)


def _written(value: object) -> str:
    return str(_bounded(value))


def _bounded(value: object) -> object:
    """*value*, unless it would be written as very much; walked in Python, where the deadline reaches it."""
    if isinstance(value, str) or not isinstance(value, Collection):
        return value
    size = 0
    inside: list[object] = [value]
    while inside:
        each = inside.pop()
        size += _AROUND + (len(each) if isinstance(each, Collection) else 0)
        _bound(size)
        if isinstance(each, Mapping):
            inside += [*each, *each.values()]
        elif isinstance(each, Collection) and not isinstance(each, str | bytes):
            inside += each
    return value


def _bound_product(left: object, right: object) -> None:
    for many, times in ((left, right), (right, left)):
        if isinstance(many, str | list | tuple) and isinstance(times, int):
            _bound(len(many) * times)
        elif isinstance(many, int) and many.bit_length() > _INTEGER_BITS_MAX:
            raise SecurityError("number too large")


def _bound(size: int) -> None:
    if size > _OPERAND_MAX:
        raise SecurityError("value too large")


def _to_json(
    value: object,
    ensure_ascii: bool = False,  # noqa: FBT001, FBT002 - the field's own signature
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,  # noqa: FBT001, FBT002
) -> str:
    if indent is not None and not 0 <= indent <= _INDENT_MAX:
        raise SecurityError("indent too large")
    if separators is not None and max(map(len, separators)) > _SEPARATOR_MAX:
        raise SecurityError("separator too large")
    whole = list(value) if isinstance(value, Iterator) else value  # what ``map`` gives is none yet
    return json.dumps(
        _bounded(whole), ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


@jinja2.pass_environment
def _join(
    environment: jinja2.Environment, value: Iterable[object], d: str = "", attribute: str | int | None = None
) -> str:
    return _joined(str(d), value if attribute is None else map(make_attrgetter(environment, attribute), value))


def _indent(text: str, width: int = 4, first: bool = False) -> str:  # noqa: FBT001, FBT002 - Jinja's own signature
    if not 0 <= width <= _INDENT_MAX:
        raise SecurityError("indent too large")
    _bound(len(text) + width * (text.count("\n") + 1))
    indented = text.replace("\n", "\n" + " " * width)
    return " " * width + indented if first else indented


def _raise_exception(message: str) -> None:
    raise TemplateRefused(message)


def _strftime_now(form: str) -> str:
    return dt.datetime.now().astimezone().strftime(form[:64])
