"""Who answers the lines of batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield_openai.batches.lines import answered

if TYPE_CHECKING:
    from jackfield.context import RequestContext
    from jackfield.ports.frontend import Gateway
    from jackfield_openai.batches.lines import LineRequest
    from jackfield_openai.config import OpenAIConfig
    from jackfield_openai.responses.routes import Responses


class Answerer:
    """Answers a line as the same request over HTTP is answered.

    Parameters:
        gateway: What serves the requests.
        config: ``[config.openai]``.
        responses: Serves lines to ``/v1/responses``.
    """

    def __init__(self, gateway: Gateway, config: OpenAIConfig, responses: Responses) -> None:
        self._gateway = gateway
        self._config = config
        self._responses = responses

    async def answered(self, context: RequestContext, line: LineRequest) -> bytes:
        """The answer; it waits for everybody else's.

        Raises:
            JackfieldError: As over HTTP.
        """
        if line.url == "/v1/responses":
            return await self._responses.answered(bytes(line.body), context)
        return await answered(self._gateway, self._config, context, line)
