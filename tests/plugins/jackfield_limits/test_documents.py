"""Documents of the policy store as rules, whatever is in them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.plugins.jackfield_limits.counting import Clock, claim, in_memory

from jackfield.errors import InvalidRequest, LimitExceeded
from jackfield.ports.policy_store import Governed
from jackfield_limits.config import Rule

if TYPE_CHECKING:
    from jackfield.testing.client import JsonValue

FIELDS: Final = [*Rule.__struct_fields__, "nothing"]
NUMBERS: Final = st.integers(-(2**70), 2**70) | st.floats()
WINDOWS: Final = st.dictionaries(st.sampled_from(["second", "minute", "month", "year"]), NUMBERS, max_size=2)
VALUES: Final = (
    NUMBERS | WINDOWS | st.text(max_size=9) | st.lists(st.sampled_from(["key", "model", "*", "["]), max_size=2)
)
DOCUMENTS: Final = st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=4).map(msgspec.json.encode)


@given(content=DOCUMENTS | st.binary(max_size=60))
def test_any_document_is_a_rule_or_refused(content: bytes) -> None:
    """And what was refused is not in force."""

    async def scenario() -> None:
        limiter = in_memory(Clock(), Rule(name="one", requests={"hour": 2}))
        assert isinstance(limiter, Governed)
        with suppress(InvalidRequest):
            await limiter.check({"many": content})
            await limiter.adopt({"many": content})
        taken = 0
        with suppress(LimitExceeded):
            for _ in range(3):
                await limiter.reserve(claim())
                taken += 1
        assert taken <= 2
        await limiter.close()

    asyncio.run(scenario())


def test_a_refusal_names_the_field_and_repeats_no_value() -> None:
    """It is in the log of every gateway."""

    async def scenario(document: JsonValue) -> InvalidRequest:
        limiter = in_memory(Clock(), Rule(name="one", requests={"hour": 2}))
        assert isinstance(limiter, Governed)
        try:
            await limiter.check({"many": msgspec.json.encode(document)})
        except InvalidRequest as error:
            return error
        finally:
            await limiter.close()
        raise AssertionError("it was taken")

    error = asyncio.run(scenario({"per": ["jf_0123456789"], "requests": {"hour": 1}}))
    assert "jf_" not in error.message
    assert "per" in str(error.param)
