"""``documents``: what only some models' templates know of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jackfield.errors import UnsupportedField

if TYPE_CHECKING:
    from jackfield.context import RequestContext
    from jackfield.ports.frontend import Gateway
    from jackfield_openai.bodies import Call

VARIABLE: Final = "documents"
"""What templates call them."""


def check_documents(gateway: Gateway, context: RequestContext, call: Call) -> None:
    """Refuse documents that the model would never see.

    Raises:
        UnsupportedField: The model's template does not mention them.
    """
    if not call.documents:
        return
    name = call.requests[0].model
    for card in gateway.models(context):
        if name == card.name or name in card.aliases:
            if card.ready and VARIABLE not in (card.chat_template or ""):
                raise UnsupportedField("documents: this model's chat template has no place for them", param=VARIABLE)
            return
