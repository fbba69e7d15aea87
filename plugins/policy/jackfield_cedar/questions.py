"""Questions as Cedar has them: a request, the entities it is about, and its context."""

from __future__ import annotations

import functools
import math
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, TypeAlias

import cedarpy
import msgspec

from jackfield.ports.policy import NUMBER_MAX, PolicyInput, PolicyPrincipal, PolicyResource
from jackfield_cedar.schema import ROUTE_FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from jackfield_cedar.used_facts import Facts

Request: TypeAlias = dict[str, "dict[str, str] | str"]

ENTITIES_KEPT: Final = 256
"""Pairs of a principal and a resource whose entities are kept: most requests come from who has just asked."""

DECIMAL_MAX: Final = 1e9
"""Larger numbers do not fit a Cedar decimal with four digits behind the point; nobody has such a temperature."""


EVERYTHING: Final[Facts] = {"client": None, "client_ip": None, "request": None, "time": None}


class NotAskable(Exception):
    """A number that Cedar cannot have as it is."""


def request_of(question: PolicyInput, facts: Facts = EVERYTHING) -> Request:
    """*question* without its entities.

    Parameters:
        question: What is asked.
        facts: What of it is told; all of it is checked.

    Raises:
        NotAskable: It has a number that Cedar would change, or a text that is none.
    """
    request, resource = question.request, question.resource
    numbers = (*_values(request), *_values(question.time))
    if any(isinstance(number, int) and not -NUMBER_MAX <= number <= NUMBER_MAX for number in numbers):
        raise NotAskable("a number is too large")
    temperature = _decimal(request.temperature)
    context: dict[str, object] = {}
    for name, fields in facts.items():
        match name:
            case "request":
                context[name] = _told(request, fields, temperature)
            case "time":
                context[name] = _told(question.time, fields)
            case "client_ip":
                if address := _address(question.client):
                    context[name] = {"__extn": {"fn": "ip", "arg": address}}
            case _:
                context[name] = question.client
    try:
        text = msgspec.json.encode(context).decode()
    except (UnicodeError, OverflowError) as error:
        raise NotAskable("it has characters that no policy can be asked about") from error
    return {
        "principal": {"type": "Principal", "id": question.principal.id},
        "action": {"type": "Action", "id": question.action},
        "resource": {"type": resource.kind.capitalize(), "id": resource.name},
        "context": text,
    }


def _values(struct: msgspec.Struct) -> Iterable[object]:
    return (getattr(struct, name) for name in struct.__struct_fields__)


def _told(struct: msgspec.Struct, fields: frozenset[str] | None, temperature: object = None) -> dict[str, object]:
    """Those *fields* of a record."""
    names = struct.__struct_fields__ if fields is None else fields
    return {name: temperature if name == "temperature" else getattr(struct, name, None) for name in names}


@functools.lru_cache(maxsize=ENTITIES_KEPT)
def entities_of(principal: PolicyPrincipal, resource: PolicyResource) -> cedarpy.Entities:
    """Who asks, with its roles as parents, and what for.

    Raises:
        ValueError: Cedar cannot have them.
    """
    entities = [
        _entity("Principal", principal.id, _attributes(principal), principal.roles),
        _entity(resource.kind.capitalize(), resource.name, _resource_attributes(resource)),
    ]
    return cedarpy.Entities.from_json_str(msgspec.json.encode(entities).decode())


def _resource_attributes(resource: PolicyResource) -> Mapping[str, object]:
    attributes = _attributes(resource)
    if resource.kind == "route":
        return {name: attributes[name] for name in ROUTE_FIELDS}
    return {name: value for name, value in attributes.items() if name != "kind"}


def _attributes(struct: msgspec.Struct) -> dict[str, object]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}


def _entity(kind: str, name: str, attributes: Mapping[str, object], roles: tuple[str, ...] = ()) -> dict[str, object]:
    parents = [{"type": "Role", "id": role} for role in roles]
    return {"uid": {"type": kind, "id": name}, "attrs": attributes, "parents": parents}


def _decimal(number: float) -> dict[str, dict[str, str]]:
    """As Cedar's extension writes it: four digits behind the point."""
    if not math.isfinite(number) or abs(number) > DECIMAL_MAX:
        raise NotAskable("a number is too large")
    return {"__extn": {"fn": "decimal", "arg": f"{number:.4f}"}}


@functools.lru_cache(maxsize=1024)
def _address(client: str) -> str:
    """*client*, if it is an address."""
    try:
        return str(ip_address(client))
    except ValueError:
        return ""
