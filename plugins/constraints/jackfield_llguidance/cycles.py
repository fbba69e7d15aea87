"""References that lead back to where they stand before anything was written: no text can ever satisfy them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def cycle_through(edges: Mapping[str, Sequence[str]]) -> str | None:
    """A node from which a path leads back to it; None where there is none.

    Parameters:
        edges: For each node the nodes that must hold at the same place of the text.
    """
    done: set[str] = set()
    for start in edges:
        path: dict[str, int] = {}
        stack = [start]
        while stack:
            node = stack[-1]
            if node in done:
                stack.pop()
                continue
            tried = path.setdefault(node, 0)
            following = edges.get(node, ())
            if tried == len(following):
                del path[node]
                done.add(node)
                stack.pop()
                continue
            path[node] = tried + 1
            if following[tried] in path:
                return following[tried]
            stack.append(following[tried])
    return None
