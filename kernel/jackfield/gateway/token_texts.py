"""The texts of prompts that are token ids, as the model's worker reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.types import GenerateRequest, TokenPrompt

if TYPE_CHECKING:
    from jackfield.context import RequestContext
    from jackfield.gateway.asked_models import AskedModels
    from jackfield.gateway.work import Work


async def token_texts(asked: AskedModels, context: RequestContext, model: str, work: Work) -> list[str]:
    """The text of each prompt of *work* that has none of its own.

    Parameters:
        asked: Whose workers read them.
        context: Of the request.
        model: Whose tokens they are.
        work: What is asked.

    Raises:
        JackfieldError: The worker cannot say.
    """
    prompts = (work.prompt,) if isinstance(work, GenerateRequest) else work.inputs
    return [await asked.text_of(context, model, each.tokens) for each in prompts if isinstance(each, TokenPrompt)]
