"""What a response repeats of its request, and how much of that is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from jackfield_openai.responses.objects import OBJECT

if TYPE_CHECKING:
    from jackfield.masking import Masking
    from jackfield_openai.responses.objects import Object

UNSAID: Final[Object] = {
    "instructions": None,
    "metadata": {},
    "prompt_cache_key": None,
    "safety_identifier": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "user": None,
}
"""What stands there while nothing may be kept of what was asked."""

_DATA: Final = b"\ndata: "


def masked(response: Object, masking: Masking) -> Object:
    """What *response* repeats, as guardrails have left it."""
    repeated = {name: response[name] for name in UNSAID}
    return OBJECT.decode(masking.repeated_json(msgspec.json.encode(repeated)))


def with_repeated(event: bytes, repeated: Object) -> bytes:
    """The *event*, which has a whole response, with that *repeated* in it instead."""
    head, _, data = event.partition(_DATA)
    fields = OBJECT.decode(data)
    response = fields["response"]
    if not isinstance(response, dict):
        raise TypeError("an event without a response")
    return head + _DATA + msgspec.json.encode({**fields, "response": {**response, **repeated}}) + b"\n\n"
