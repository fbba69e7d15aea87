"""llama.cpp's return codes have one table."""

from __future__ import annotations

import re

import pytest
from llama_cpp import llama_cpp

from jackfield.errors import BackendFault, KVExhausted
from jackfield_llama.errors import DECODE, UNKNOWN, decode_error


def test_the_table_has_every_code_that_the_library_documents() -> None:
    """Codes named in ``llama_decode``'s documentation are in the table; 0 is success."""
    documentation = llama_cpp.llama_decode.__doc__ or ""
    source = llama_cpp.__file__
    with open(source, encoding="utf-8") as file:  # noqa: PTH123 - a module's own file
        text = file.read()
    comment = text[text.index("# // Process a batch of tokens.") : text.index("def llama_decode(")]
    documented = {int(code) for code in re.findall(r"^# //\s+(-?\d+) - ", comment + documentation, flags=re.MULTILINE)}
    assert documented - {0} <= set(DECODE)
    assert {0, 1, 2, -1} <= documented


@pytest.mark.parametrize("code", [*DECODE, -77, 99])
def test_each_code_becomes_a_fault_of_ours(code: int) -> None:
    """Only a full pool is for the engine to handle; whatever else, the step has failed."""
    error = decode_error(code)
    assert isinstance(error, KVExhausted if code == 1 else BackendFault)
    assert str(code) in error.message
    assert code in DECODE or UNKNOWN.message in error.message
