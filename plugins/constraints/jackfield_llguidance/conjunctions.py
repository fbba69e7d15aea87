"""How many patterns may hold for one text of an answer.

Telling whether any text satisfies them all takes llguidance time and memory that may double with each, and it does not
count them. The count here is an estimate from above: members of different names are told apart, what else may be said
of members and items is not.
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from jackfield_llguidance.document import JsonValue

Counts: TypeAlias = "dict[tuple[str, str], int]"
"""Patterns by where they hold: for the value itself, or anywhere in one of its parts (keyword and name)."""

HERE: Final = ("", "")
_REFERENCE: Final = "#/$defs/"


def most_patterns(definitions: Mapping[str, JsonValue], enough: int) -> dict[str, int]:
    """For each of *definitions* the most patterns that may hold together somewhere in it.

    Parameters:
        definitions: As llguidance gets them; they refer to each other.
        enough: Where counting stops.
    """
    users: defaultdict[str, list[str]] = defaultdict(list)
    for name, schema in definitions.items():
        for used in set(_references(schema)):
            users[used].append(name)
    known: dict[str, Counts] = {name: {} for name in definitions}
    waiting = deque(dict.fromkeys(definitions))
    queued = set(waiting)
    while waiting:
        name = waiting.popleft()
        queued.remove(name)
        counts = _counts(definitions[name], known, enough)
        if counts != known[name]:
            known[name] = counts
            fresh = [user for user in users[name] if user not in queued]
            waiting.extend(fresh)
            queued.update(fresh)
    return {name: _most(counts) for name, counts in known.items()}


def _references(schema: JsonValue) -> Iterable[str]:
    """Names that are referred to anywhere in *schema*; a property may be called ``$ref`` too, which does no harm."""
    if isinstance(schema, dict):
        reference = schema.get("$ref")
        if isinstance(reference, str):
            yield reference.removeprefix(_REFERENCE)
    for part in _parts_of(schema):
        yield from _references(part)


def _parts_of(value: JsonValue) -> Iterable[JsonValue]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _counts(schema: JsonValue, known: Mapping[str, Counts], enough: int) -> Counts:
    if not isinstance(schema, dict):
        return {}
    counts: Counts = {HERE: 1} if "pattern" in schema else {}
    for keyword in ("properties", "patternProperties"):
        members = schema.get(keyword)
        for name, member in members.items() if isinstance(members, dict) else ():
            counts[keyword, name] = _most(_counts(member, known, enough))
    for keyword in ("items", "additionalProperties"):
        counts[keyword, ""] = _most(_counts(schema.get(keyword), known, enough))
    for index, item in enumerate(_parts_of(schema.get("prefixItems"))):
        counts["prefixItems", str(index)] = _most(_counts(item, known, enough))
    reference = schema.get("$ref")
    if isinstance(reference, str):
        _add(counts, known[reference.removeprefix(_REFERENCE)], enough)
    for branch in _parts_of(schema.get("allOf")):
        _add(counts, _counts(branch, known, enough), enough)
    _add(counts, _union([_counts(branch, known, enough) for branch in _parts_of(schema.get("anyOf"))]), enough)
    return {place: count for place, count in counts.items() if count}


def _add(counts: Counts, others: Counts, enough: int) -> None:
    for place, count in others.items():
        counts[place] = min(enough, counts.get(place, 0) + count)


def _union(branches: Iterable[Counts]) -> Counts:
    found: Counts = {}
    for counts in branches:
        for place, count in counts.items():
            found[place] = max(count, found.get(place, 0))
    return found


def _most(counts: Counts) -> int:
    return max(counts.values(), default=0)
