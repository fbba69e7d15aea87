"""Placeholders: within a request the same value has the same one, and no two values share one."""

from __future__ import annotations

import os
import re
import threading
from collections import OrderedDict
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from jackfield.ports.guardrail import Subject

REQUESTS_MAX: Final = 4096
"""Requests whose numbers are known; those that were not asked for longest are forgotten."""

ENTRIES_MAX: Final = 200_000
"""Values, and placeholders that texts have by themselves, of all requests together: some 40 MB."""

VALUES_MAX: Final = 10_000
"""Values of one request that keep their number."""

_WRITTEN: Final = re.compile(r"\[([A-Z][A-Z0-9_]*)_(\d{1,9})\]")


class Numbers:
    """Numbers of one request's values. Any thread; its methods do not overlap.

    Values are known by a keyed digest only.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._numbers: dict[tuple[str, bytes], int] = {}
        self._last: dict[str, int] = {}
        self._given: set[tuple[str, int]] = set()
        self._taken: set[tuple[str, int]] = set()

    def __len__(self) -> int:
        return len(self._given) + len(self._taken)

    def avoid(self, text: str) -> None:
        """What *text* says by itself is no placeholder of a value."""
        if "[" in text:
            written = {(label, int(number)) for label, number in _WRITTEN.findall(text)}
            self._taken |= written - self._given

    def placeholder(self, label: str, value: str) -> str:
        """``[LABEL_1]``, numbered in the order in which values come."""
        digest = blake2b(value.encode(errors="replace"), key=self._key, digest_size=16).digest()
        number = self._numbers.get((label, digest))
        if number is None:
            number = self._last.get(label, 0) + 1
            while (label, number) in self._taken:
                number += 1
            self._last[label] = number
            self._given.add((label, number))
            if len(self._numbers) < VALUES_MAX:
                self._numbers[label, digest] = number
        return f"[{label}_{number}]"


class Placeholders:
    """Numbers of all requests. Any thread."""

    def __init__(self) -> None:
        self.lock: Final = threading.Lock()
        self._key = os.urandom(32)
        self._requests: OrderedDict[tuple[str, str], Numbers] = OrderedDict()
        self._sizes: dict[tuple[str, str], int] = {}
        self._entries = 0

    def of(self, subject: Subject) -> Numbers:
        """Those of a request; to be used under ``lock``."""
        asked = (subject.principal.id if subject.principal else "", subject.request_id)
        if self._requests:
            self._count(next(reversed(self._requests)))  # which has grown since it was asked for
        numbers = self._requests.pop(asked, None)
        self._requests[asked] = numbers = Numbers(self._key) if numbers is None else numbers
        while len(self._requests) > 1 and (len(self._requests) > REQUESTS_MAX or self._entries > ENTRIES_MAX):
            forgotten, _ = self._requests.popitem(last=False)
            self._entries -= self._sizes.pop(forgotten, 0)
        return numbers

    def _count(self, request: tuple[str, str]) -> None:
        size = len(self._requests[request])
        self._entries += size - self._sizes.get(request, 0)
        self._sizes[request] = size
