"""The stages around workers, made of what the enabled plugins hand over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jackfield.gateway.asked_models import AskedModels
from jackfield.gateway.auditing import Auditing
from jackfield.gateway.documents import PolicyWatch
from jackfield.gateway.guarding import Guarding
from jackfield.gateway.limiting import Limiting
from jackfield.gateway.outside_changes import OutsideChanges
from jackfield.gateway.policing import Policing
from jackfield.gateway.walk import Walk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.gateway.observing import Observers
    from jackfield.plugins import Kernel


class Stages:
    """All of them. Made on the gateway's main thread, used on its event loop.

    Parameters:
        kernel: With its plugins.
        observers: Are told of refusals and findings.

    Raises:
        PluginError: What a plugin hands over cannot be made.

    Attributes:
        asked: What guardrails may ask; to be told of the pipeline.
        auditing: Records what is decided.
        outside: Records what others change.
        policing: Whether callers may do what they ask.
        limiting: Whether so much is left for them.
        guarding: Whether they may say that.
        walk: All of these, in order, around work for a model.
    """

    def __init__(self, kernel: Kernel, observers: Observers) -> None:
        self.asked: Final = AskedModels()
        self.auditing: Final = Auditing(kernel.audit_sinks(), observers)
        self.outside: Final = OutsideChanges(self.auditing)
        self.policing: Final = Policing(kernel.policies(), self.auditing)
        self.limiting: Final = Limiting(kernel.limiters(), self.auditing, observers)
        self.guarding: Final = Guarding(kernel.guardrails(), self.asked, self.auditing, observers)
        self.walk: Final = Walk(
            self.policing, self.limiting, self.guarding, self.auditing, kernel.manifest.kernel.default_max_tokens
        )

    @property
    def objects(self) -> Sequence[tuple[str, object]]:
        """What plugins have supplied, with their names."""
        return [
            each for stage in (self.policing, self.limiting, self.guarding, self.auditing) for each in stage.objects
        ]

    def watch(self, kernel: Kernel, objects: Sequence[tuple[str, object]]) -> PolicyWatch:
        """The watch over the policy store, of which *objects* go by documents.

        Raises:
            PluginError, ManifestError: See ``PolicyWatch``.
        """
        return PolicyWatch(kernel.policy_stores(), objects, kernel.manifest.kernel.policy_stale_s, self.outside)
