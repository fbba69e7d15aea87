"""From llama.cpp's return codes to our errors.

``llama_decode`` returns 0 for success; ``llama.h`` documents the other codes. What is not listed there is a failure
of the library that it does not explain.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from jackfield.errors import BackendFault, JackfieldError, KVExhausted


class Fault(NamedTuple):
    """What one return code means."""

    kind: type[JackfieldError]
    message: str


DECODE: Final[dict[int, Fault]] = {
    1: Fault(KVExhausted, "the KV pool has no room for this step"),
    2: Fault(BackendFault, "llama.cpp aborted the step"),
    -1: Fault(BackendFault, "llama.cpp refused the batch as invalid"),
    -2: Fault(BackendFault, "llama.cpp could not allocate memory for the step"),
    -3: Fault(BackendFault, "llama.cpp failed to compute the step"),
}
"""Return codes of ``llama_decode``: the documented 1, 2 and -1, and those of ``llama_context::decode`` below -1 (-2
allocation, -3 computation)."""

UNKNOWN: Final = Fault(BackendFault, "llama.cpp failed with an undocumented code")


def decode_error(code: int) -> JackfieldError:
    """The error for a return code of ``llama_decode`` that is not 0."""
    fault = DECODE.get(code, UNKNOWN)
    return fault.kind(f"{fault.message} (code {code})")
