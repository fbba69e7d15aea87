"""Which facts policies name: no others need be told to Cedar, which takes its time for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Path: TypeAlias = tuple[str, ...]
"""Of a fact in the context: ``("request", "tools")``; empty is all of it."""

Facts: TypeAlias = "Mapping[str, frozenset[str] | None]"
"""What is told, by the context's own names; of records either some fields or, for None, all of them."""

CONTEXT: Final = {"Var": "context"}


def used_facts(policies: Iterable[object], everything: Facts) -> Facts:
    """Those of *everything* that *policies*, as Cedar's JSON has them, can look at.

    A policy that does anything with the context but to name a fact in it is told all.
    """
    used: dict[str, set[str] | None] = {}
    for path in (path for policy in policies for path in _paths(policy)):
        if not path:
            return everything
        name, *fields = path
        if not fields:
            used[name] = None
        elif (known := used.setdefault(name, set())) is not None:
            known.add(fields[0])
    return {name: None if fields is None else frozenset(fields) for name, fields in used.items() if name in everything}


def _paths(node: object) -> Iterator[Path]:
    path = _path(node)
    if path is not None:
        yield path
    elif isinstance(node, dict):
        for value in node.values():
            yield from _paths(value)
    elif isinstance(node, list):
        for value in node:
            yield from _paths(value)


def _path(node: object) -> Path | None:
    """The fact that *node* names, or asks after; None where it is no such expression."""
    if node == CONTEXT:
        return ()
    if not isinstance(node, dict) or len(node) != 1:
        return None
    [(operator, operands)] = node.items()
    if operator not in {".", "has"} or not isinstance(operands, dict):
        return None
    before, name = _path(operands.get("left")), operands.get("attr")
    if before is None:
        return None
    return (*before, name) if isinstance(name, str) else before
