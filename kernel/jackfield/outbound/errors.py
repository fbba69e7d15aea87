"""What can become of a fetch. No message has more of a URL than scheme, host and port, nor anything that was sent."""

from __future__ import annotations


class OutboundError(Exception):
    """There is no answer that can be used: the other side could not be reached, or broke off.

    Parameters:
        message: One sentence, for logs and operators. It says nothing of resolved addresses.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class OutboundRefused(OutboundError):
    """This side may not fetch it: the rules forbid the URL, or where it leads to. Nothing was sent there."""


class OutboundTimeout(OutboundError):
    """The whole answer was not there in time."""


class OutboundTooLarge(OutboundError):
    """The answer has more bytes than it may have."""
