"""The Cedar schema of what policies are asked, made of the Structs that the kernel fills in.

See https://docs.cedarpolicy.com/schema/human-readable-schema.html.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import msgspec.inspect

from jackfield.ports.identity import SCOPES
from jackfield.ports.policy import PolicyPrincipal, PolicyResource, PolicyTime, RequestFacts

if TYPE_CHECKING:
    from collections.abc import Iterable

ROUTE_FIELDS: Final = ("name",)
"""What a route has of a resource's fields."""

_KINDS: Final = {
    msgspec.inspect.StrType: "String",
    msgspec.inspect.LiteralType: "String",
    msgspec.inspect.IntType: "Long",
    msgspec.inspect.BoolType: "Bool",
    msgspec.inspect.FloatType: "decimal",
}


def schema(actions: Iterable[str] = ()) -> str:
    """The schema's text.

    Parameters:
        actions: Scopes besides the server's own.
    """
    names = ", ".join(f'"{name}"' for name in dict.fromkeys((*SCOPES, *actions)))
    return f"""// What policies are asked. Made from the server's own types; see the plugin's README.

entity Role;

entity Principal in [Role] = {_record(PolicyPrincipal)};

entity Model = {_record(PolicyResource, without=("kind",))};

entity Route = {_record(PolicyResource, only=ROUTE_FIELDS)};

type Request = {_record(RequestFacts)};

type Time = {_record(PolicyTime)};

type Asked = {{
  client: String,
  client_ip?: ipaddr,
  request: Request,
  time: Time,
}};

action {names}
  appliesTo {{ principal: [Principal], resource: [Model, Route], context: Asked }};
"""


def _record(struct: type[msgspec.Struct], *, only: tuple[str, ...] = (), without: tuple[str, ...] = ()) -> str:
    told = msgspec.inspect.type_info(struct)
    if not isinstance(told, msgspec.inspect.StructType):
        raise TypeError(f"{struct.__name__} is no Struct")
    lines = [
        f"  {field.name}: {_cedar_type(field.type)},"
        for field in told.fields
        if field.name not in without and (not only or field.name in only)
    ]
    return "\n".join(["{", *lines, "}"])


def _cedar_type(kind: msgspec.inspect.Type) -> str:
    if isinstance(kind, msgspec.inspect.VarTupleType):
        return f"Set<{_cedar_type(kind.item_type)}>"
    return _KINDS[type(kind)]
