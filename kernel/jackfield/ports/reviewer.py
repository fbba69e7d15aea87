"""Reviewers: authenticators that can say what a principal may when it presents no credential.

An ``Authenticator`` may have a ``Reviewer``'s method besides its own. The kernel asks it for work that goes on when the
request it began with is over, such as a batch: whoever was refused meanwhile has no more computed. Where an
authenticator is none, such work is done with the rights that its principal had when it began.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from jackfield.ports.identity import Principal


@runtime_checkable
class Reviewer(Protocol):
    """What an ``Authenticator`` may have besides."""

    async def review(self, principal: Principal) -> Principal:
        """What *principal* may by now.

        Parameters:
            principal: As this authenticator gave it before, perhaps before a restart.

        Returns:
            The same ``id``, with the rights that it has now; by another credential, where the first was renewed.

        Raises:
            Unauthenticated: It may nothing any more; ``CredentialExpired``, ``CredentialRevoked`` and
                ``CredentialBlocked`` say why.

        Process and thread: gateway, event loop thread, which it must not block; calls may overlap. Deadline: 2 s
        (``identity.DEADLINE_S``); then it is cancelled. Failure policy: closed; the work waits, and it is logged by
        name.
        """
        ...
