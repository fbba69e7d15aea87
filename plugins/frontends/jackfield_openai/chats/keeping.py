"""Whether an answer is kept, and what keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from jackfield.errors import UnsupportedField
from jackfield_openai.chats.records import StoredChats
from jackfield_openai.records import tenant_of

if TYPE_CHECKING:
    from jackfield.context import RequestContext
    from jackfield.frontends.rules import Mode
    from jackfield.masking import Masking
    from jackfield.ports.frontend import Gateway
    from jackfield_openai.bodies import Call


class Keep(Protocol):
    """Keeps one answer."""

    async def __call__(self, answer: bytes, masking: Masking | None) -> None:
        """Keep it, without what guardrails have masked.

        Parameters:
            answer: The whole of it.
            masking: ``RequestContext.masking`` of its request.

        Raises:
            JackfieldError: It cannot be kept.
        """
        ...


def keeping(gateway: Gateway, mode: Mode, context: RequestContext, call: Call) -> tuple[Call, Keep | None]:
    """*call* as it can be served, and what keeps its answer; None where nobody wants that.

    Parameters:
        gateway: Has the record store, where one is enabled.
        mode: What becomes of ``store`` where none is.
        context: Whose chats they are.
        call: As it was decoded.

    Raises:
        UnsupportedField: The answer is to be kept, and nothing keeps any.
    """
    stored = call.stored
    if stored is None:
        return call, None
    if gateway.records is not None:
        chats = StoredChats(gateway.records, tenant_of(context))

        async def keep(answer: bytes, masking: Masking | None) -> None:
            await chats.keep(answer, stored, context.request_id, masking)

        return call, keep
    if mode == "strict":
        raise UnsupportedField(
            "store: this server keeps nothing; its operator can enable a record store, such as the plugin sqlite",
            param="store",
        )
    ignored = (*call.ignored, "store") if mode == "warn" else call.ignored
    return msgspec.structs.replace(call, stored=None, ignored=ignored), None
