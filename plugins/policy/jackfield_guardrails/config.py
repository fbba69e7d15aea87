"""Options of ``[config.guardrails]``."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.ports.policy import TAG
from jackfield_guardrails.rules import AnyRule, InjectionRule, PiiRule, SecretsRule

if TYPE_CHECKING:
    from collections.abc import Mapping

RULES_MAX: Final = 64
"""Most rules of one instance."""

DEFAULTS: Final[Mapping[str, AnyRule]] = MappingProxyType(
    {
        "pii": PiiRule(),
        "secrets": SecretsRule(),
        "injection": InjectionRule(),
    }
)
"""What is in force where nobody names a rule: a guardrail that is on and judges nothing would mislead."""


class GuardrailsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is judged, and what becomes of what is found."""

    rules: dict[str, AnyRule] = {}
    """A table for each rule, ``[config.guardrails.rules.NAME]``, in the order in which they mask; ``kind`` says what a
    rule looks for, and the plugin's README has the options of each kind. Without any, personal data is masked, secrets
    in answers are masked, and prompt injection is blocked."""

    def __post_init__(self) -> None:
        if len(self.rules) > RULES_MAX:
            raise ValueError(f"rules must not be more than {RULES_MAX}")
        for name in self.rules:
            if not TAG.match(name):
                raise ValueError(f"rules must have names of lower-case letters, digits, '.', '_' and '-'; not {name!r}")

    def in_force(self) -> Mapping[str, AnyRule]:
        """The rules by name: those of the table, or ``DEFAULTS`` where it has none."""
        return self.rules or DEFAULTS
