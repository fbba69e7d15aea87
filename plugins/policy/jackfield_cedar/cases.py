"""Cases: questions, and what policies must answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.ports.policy import Obligations, PolicyInput, PolicyTest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jackfield.ports.policy import Decision

CASES_MAX: Final = 10_000
"""Most cases of one file."""


class Case(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of them."""

    name: str
    input: PolicyInput
    allow: bool
    obligations: Obligations = Obligations()
    """Those of the answer; none others."""
    reason: str = ""
    """One of the answer's; empty: any."""


def read_cases(source: str, text: bytes) -> Sequence[Case]:
    """The cases in the JSON *text*; raises ``ValueError``, which names *source*."""
    try:
        cases = msgspec.json.decode(text, type=list[Case])
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ValueError(f"{source}: {error}") from error
    if len(cases) > CASES_MAX:
        raise ValueError(f"{source}: more than {CASES_MAX} cases")
    return cases


def tried(case: Case, decide: Callable[[PolicyInput], Decision]) -> PolicyTest:
    """How *case* comes out."""
    decision = decide(case.input)
    faults = []
    if decision.allow != case.allow:
        why = "; ".join(decision.reasons)
        faults.append(f"it is {'allowed' if decision.allow else 'denied'}{f' ({why})' if why else ''}")
    elif decision.obligations != case.obligations:
        faults.append(f"it obliges to {_shown(decision.obligations)}, not {_shown(case.obligations)}")
    if case.reason and case.reason not in decision.reasons:
        faults.append(f"{case.reason!r} is not among its reasons")
    return PolicyTest(name=case.name, passed=not faults, detail="; ".join(faults))


def _shown(obligations: Obligations) -> str:
    free = Obligations()
    fields = {name: getattr(obligations, name) for name in obligations.__struct_fields__}
    named = [f"{name} {value}" for name, value in fields.items() if value != getattr(free, name)]
    return ", ".join(named) or "nothing"
