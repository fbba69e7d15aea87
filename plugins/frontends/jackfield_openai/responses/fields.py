"""The documented fields of ``/v1/responses``: which are honoured, and what the others may say.

From OpenAI's API description 2.3.0 (``CreateResponse``: 31 properties), and what local servers have for drawing
tokens.
"""

from __future__ import annotations

from typing import Final

import msgspec

from jackfield.frontends.rules import Items, Rule, Rules, Table, anything, never, one_of
from jackfield.frontends.sampling import SamplingBody


class _StreamOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    include_obfuscation: bool | None = None


def _plain_stream(value: _StreamOptions) -> bool:
    return not value.include_obfuscation


HONOURED: Final = frozenset(
    {
        *SamplingBody.__struct_fields__,
        "background",
        "chat_template_kwargs",
        "include",
        "input",
        "instructions",
        "max_output_tokens",
        "metadata",
        "model",
        "parallel_tool_calls",
        "previous_response_id",
        "priority",
        "prompt_cache_key",
        "reasoning",
        "safety_identifier",
        "service_tier",
        "store",
        "stream",
        "text",
        "tool_choice",
        "tools",
        "top_logprobs",
        "truncation",
        "user",
    }
)

RESPONSE: Final[Rules] = {
    # what an agent says of itself to those who count its requests
    "client_metadata": Rule(Table, anything),
    "context_management": Rule(Items, lambda value: not value),
    "conversation": Rule(str | Table, never),
    # counts calls of the server's own tools, of which there are none
    "max_tool_calls": Rule(int, anything),
    "moderation": Rule(Table, never),
    "prompt": Rule(Table, never),
    "prompt_cache_retention": Rule(str, one_of("in_memory", "in-memory", "24h"), tunes=True),
    "stream_options": Rule(_StreamOptions, _plain_stream),
}

REASONING: Final = frozenset({"effort", "summary"})
REASONING_RULES: Final[Rules] = {"generate_summary": Rule(str, one_of("auto"))}
TEXT: Final = frozenset({"format"})
TEXT_RULES: Final[Rules] = {"verbosity": Rule(str, one_of("medium"), tunes=True)}
"""Fields of ``reasoning`` and ``text``."""
