"""Guardrails of rules, as a manifest makes them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from jackfield.ports.guardrail import GuardedText, Subject
from jackfield.ports.identity import Principal
from jackfield.testing.kits.kit import kernel_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from jackfield.errors import JackfieldError
    from jackfield.ports.guardrail import Guardrail, Verdict


class Model:
    """Implements ``Asking``: says what *labels* says, and remembers what it was asked."""

    def __init__(self, labels: Callable[[str], Mapping[str, float]], error: JackfieldError | None = None) -> None:
        self.labels = labels
        self.error = error
        self.waits = False
        self.asked: list[str] = []

    async def classify(self, model: str, texts: Sequence[str]) -> Sequence[Mapping[str, float]]:
        self.asked += texts
        if self.waits:
            await asyncio.get_running_loop().create_future()
        if self.error is not None:
            raise self.error
        return [self.labels(text) for text in texts]


class Rules:
    """Makes guardrails of the tables below ``[config.guardrails.rules]``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.model = Model(lambda _: {})

    def all(self, rules: str, name: str = "guardrails") -> dict[str, Guardrail]:
        """By name; each line that begins with ``[NAME]`` begins a rule."""
        tables = rules.replace("[", f"[config.{name}.rules.", 1) if rules.startswith("[") else rules
        tables = tables.replace("\n[", f"\n[config.{name}.rules.")
        entry = "guardrails" if name == "guardrails" else f"{name}=guardrails"
        kernel = kernel_of(f'enabled = ["{entry}", "secrets"]\n{tables}', str(self.folder))
        return {name: factory(self.model) for name, factory in kernel.guardrails().items()}

    def one(self, options: str) -> Any:
        """The guardrail of one rule; *options* are its lines."""
        [guardrail] = self.all(f"[rule]\n{options}").values()
        return guardrail


@pytest.fixture
def rules(tmp_path: Path) -> Rules:
    """Whatever the test wants."""
    return Rules(tmp_path)


def subject(stage: str = "input", request_id: str = "req-1", team: str = "", key: str = "", **more: str) -> Subject:
    """Somebody's texts."""
    principal = (
        Principal(id=f"id-{key}", name=key, fingerprint="000000", scopes=frozenset(), team=team) if key else None
    )
    told: dict[str, Any] = {"model": "demo", "route": "/v1/chat/completions", **more}
    return Subject(stage=stage, request_id=request_id, principal=principal, **told)  # type: ignore[arg-type]


@pytest.fixture
def judged() -> Callable[..., Verdict]:
    """What a guardrail says of one text."""

    def judge(guardrail: Guardrail, text: str, who: Subject | None = None, **more: Any) -> Verdict:
        guarded = GuardedText(text=text, **more)
        [verdict] = asyncio.run(_judge(guardrail, who or subject(), [guarded]))
        return verdict

    return judge


async def _judge(guardrail: Guardrail, who: Subject, texts: Sequence[GuardedText]) -> Sequence[Verdict]:
    return await guardrail.judge(who, texts)


@pytest.fixture
def masked(judged: Callable[..., Verdict]) -> Callable[..., str]:
    """A text as a guardrail leaves it."""

    def mask(guardrail: Guardrail, text: str, who: Subject | None = None) -> str:
        done, parts = 0, []
        for each in judged(guardrail, text, who).masks:
            parts += [text[done : each.start], each.replacement]
            done = each.end
        return "".join([*parts, text[done:]])

    return mask


@pytest.fixture
def somebody() -> Callable[..., Subject]:
    """Whose texts they are."""
    return subject
