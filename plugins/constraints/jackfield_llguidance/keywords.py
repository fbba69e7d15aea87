"""What becomes of each keyword of JSON Schema, draft 2020-12."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Support: TypeAlias = Literal["enforced", "annotation", "refused"]
"""``annotation``: says nothing about what is valid, and is allowed; ``refused``: with 400, unless its value asks for
nothing (``NOTHING``)."""

_ENFORCED: Final = (
    "$ref allOf anyOf oneOf const enum type format"
    " minLength maxLength pattern minimum maximum exclusiveMinimum exclusiveMaximum multipleOf"
    " items prefixItems minItems maxItems"
    " properties patternProperties additionalProperties required minProperties maxProperties"
)
_ANNOTATIONS: Final = (
    "$schema $id $comment $defs definitions title description default examples deprecated readOnly writeOnly"
    " contentEncoding contentMediaType contentSchema"
)
_REFUSED: Final = (
    "$anchor $dynamicAnchor $dynamicRef $recursiveAnchor $recursiveRef $vocabulary"
    " not if then else dependentRequired dependentSchemas dependencies"
    " additionalItems contains minContains maxContains uniqueItems unevaluatedItems"
    " propertyNames unevaluatedProperties"
)


def _all(names: str, support: Support) -> dict[str, Support]:
    return dict.fromkeys(names.split(), support)


KEYWORDS: Final[Mapping[str, Support]] = MappingProxyType(
    _all(_ENFORCED, "enforced") | _all(_ANNOTATIONS, "annotation") | _all(_REFUSED, "refused")
)
"""By name. Any other name is refused too, except those that begin with ``x-``."""

NOTHING: Final[Mapping[str, tuple[object, ...]]] = MappingProxyType(
    {"uniqueItems": (False,)}
    | dict.fromkeys(("unevaluatedItems", "unevaluatedProperties", "propertyNames"), (True, {}))
)
"""Values with which a refused keyword asks for nothing."""

EXTENSION: Final = "x-"
"""Prefix of everybody's own annotations."""

OPTIONS: Final = "x-guidance"
"""llguidance's options in a schema, with which a client could weaken it; refused."""

DIALECTS: Final = frozenset(
    {
        "https://json-schema.org/draft/2020-12/schema",
        "https://json-schema.org/draft/2019-09/schema",
        "http://json-schema.org/draft-07/schema",
        "http://json-schema.org/draft-06/schema",
    }
)
"""Values of ``$schema``, without a ``#`` at the end, in which enforced keywords mean what they mean here, or less."""
