"""The policy kit itself: it passes a correct engine and catches each kind of wrong one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest

from jackfield.errors import InvalidRequest, ManifestError, PolicyUnavailable
from jackfield.ports.policy import Decision, Explanation, Obligations, PolicyInput, PolicyTest
from jackfield.testing.kits.policy import PolicyKit
from jackfield.testing.kits.policy_questions import HOSTILE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from jackfield.ports.policy import PolicyEngineFactory
    from jackfield.ports.policy_store import Documents

GOOD: Final = '{"allow": ["alice"], "ceiling": 1000, "max_tokens": 5}'

ASKED: Final = {
    "action": "generate",
    "principal": {"id": "alice"},
    "resource": {"kind": "model", "name": "demo"},
    "request": {"route": "/v1/chat/completions", "method": "POST", "prompt_tokens": 10, "max_tokens": 100},
    "time": {"unix": 1700000000, "weekday": 2, "hour": 12, "minute": 0},
}


class Plain:
    """Allows what a file's list names, under a ceiling, with a bound of answers."""

    document_kind = "plain"

    def __init__(self, file: Path) -> None:
        self.file = file
        self.troubles: Sequence[str] = ()
        self.closed = False
        self.forbidden: set[str] = set()
        self.text = file.read_text()
        self.rules: Any = parsed(self.text)

    async def decide(self, question: PolicyInput) -> Decision:
        """By the file as it is."""
        if self.closed:
            raise PolicyUnavailable("it is closed")
        self.look()
        return self.decided(question)

    def look(self) -> None:
        """Follow the file."""
        text = self.file.read_text()
        if text == self.text and not self.troubles:
            return
        try:
            self.rules = parsed(text)
            self.troubles = ()
        except ManifestError as error:
            self.troubles = (error.message,)
        self.text = text

    def decided(self, question: PolicyInput) -> Decision:
        """The rules."""
        if question.principal.id not in self.rules["allow"] or question.principal.id in self.forbidden:
            return Decision(allow=False, reasons=("nobody allows it",))
        if question.request.prompt_tokens > self.rules["ceiling"]:
            return Decision(allow=False, reasons=("it is too long",))
        return Decision(allow=True, obligations=Obligations(max_tokens=self.rules["max_tokens"]))

    async def explain(self, question: PolicyInput) -> Explanation:
        """The same."""
        return Explanation(decision=self.decided(question), policies=("plain",))

    async def test(self) -> Sequence[PolicyTest]:
        """One."""
        return [PolicyTest(name="it has a list", passed="allow" in self.rules)]

    def governed(self, documents: Documents) -> None:
        """Nothing to change."""

    async def check(self, documents: Mapping[str, bytes]) -> None:
        """Each is a list of names."""
        for name, text in documents.items():
            try:
                json.loads(text)
            except ValueError as error:
                raise InvalidRequest(f"document {name} is no list", param=name) from error

    async def adopt(self, documents: Mapping[str, bytes]) -> None:
        """They are forbidden."""
        await self.check(documents)
        self.forbidden = {who for text in documents.values() for who in json.loads(text)}

    async def close(self) -> None:
        """It ends."""
        self.closed = True


def parsed(text: str) -> Any:
    """Rules."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise ManifestError("the rules are no JSON") from error


class Trusting(Plain):
    """Allows by default."""

    def decided(self, question: PolicyInput) -> Decision:
        return Decision(allow=True)


class Boundless(Plain):
    """Its obligations are out of bounds."""

    def decided(self, question: PolicyInput) -> Decision:
        decision = super().decided(question)
        return msgspec.structs.replace(decision, obligations=Obligations(max_tokens=-1))


class Wrapping(Plain):
    """Computes in 64 bits."""

    def decided(self, question: PolicyInput) -> Decision:
        wrapped = (question.request.prompt_tokens + 2**63) % 2**64 - 2**63
        request = msgspec.structs.replace(question.request, prompt_tokens=wrapped)
        return super().decided(msgspec.structs.replace(question, request=request))


class Naive(Plain):
    """Reads a name as far as a NUL, and what it is told as JSON."""

    def decided(self, question: PolicyInput) -> Decision:
        if "allow" in question.principal.id:
            return Decision(allow=True)
        return super().decided(question)


class Fragile(Plain):
    """Falls over numbers, and stays down."""

    def decided(self, question: PolicyInput) -> Decision:
        if question.request.temperature != 0:
            self.closed = True
        return super().decided(question)


class Mute(Plain):
    """Gives no reasons."""

    def decided(self, question: PolicyInput) -> Decision:
        return msgspec.structs.replace(super().decided(question), reasons=())


class Immortal(Plain):
    """Goes on when it is closed."""

    async def close(self) -> None:
        return


class Fixed(Plain):
    """Never looks at its file again."""

    def look(self) -> None:
        return


class Gullible(Plain):
    """Takes what is broken for nothing."""

    def look(self) -> None:
        try:
            self.rules = parsed(self.file.read_text())
        except ManifestError as error:
            self.rules = {"allow": [], "ceiling": 0, "max_tokens": 1}
            self.troubles = (error.message,)


class Careless(Plain):
    """Adopts any document."""

    async def check(self, documents: Mapping[str, bytes]) -> None:
        return


class Liar(Plain):
    """Explains another decision."""

    async def explain(self, question: PolicyInput) -> Explanation:
        return Explanation(decision=Decision(allow=False, reasons=("no",)))


class Failing(Plain):
    """Fails its own tests."""

    async def test(self) -> Sequence[PolicyTest]:
        return [PolicyTest(name="something", passed=False)]


class Raising(Plain):
    """Raises where it should say no."""

    def decided(self, question: PolicyInput) -> Decision:
        if question.request.structured:
            raise PolicyUnavailable("it cannot be told")
        return super().decided(question)


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """The file."""
    file = tmp_path / "rules.json"
    file.write_text(GOOD)
    return file


class TestPlain(PolicyKit):
    """All of it."""

    @pytest.fixture(autouse=True)
    def kept(self, rules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(type(self), "needs", needs(rules))

    @pytest.fixture
    def make_engine(self, rules: Path) -> PolicyEngineFactory:
        return lambda: Plain(rules)


def needs(rules: Path) -> dict[str, Any]:
    """What the kit is told of it."""
    return {
        "allowed": ASKED,
        "obliged": ASKED,
        "obligations": {"max_tokens": 5},
        "denied": {**ASKED, "principal": {"id": "bob"}},
        "ceiling": "prompt_tokens",
        "file": str(rules),
        "stricter": '{"allow": [], "ceiling": 1000, "max_tokens": 5}',
        "broken": "{",
        "documents": {"no-alice": '["alice"]'},
        "broken_document": "[",
    }


@pytest.mark.parametrize(
    ("wrong", "test", "more"),
    [
        (Trusting, "test_what_no_policy_allows_is_denied", ()),
        (Trusting, "test_questions_at_the_same_moment_have_their_own_answers", ()),
        (Boundless, "test_what_is_allowed_is_allowed", ()),
        (Boundless, "test_conditions_are_what_policies_say", ()),
        (Wrapping, "test_no_number_overflows", ()),
        (Naive, "test_hostile_names_are_allowed_nothing", (HOSTILE["closing a string"],)),
        (Fragile, "test_no_number_is_the_end", (1e308,)),
        (Mute, "test_a_denial_has_its_reason", ()),
        (Immortal, "test_a_closed_engine_allows_nothing", ()),
        (Gullible, "test_a_broken_edit_keeps_the_old_policies", ()),
        (Gullible, "test_broken_policies_refuse_the_start", ()),
        (Careless, "test_documents_of_the_store_hold_at_once", ()),
        (Liar, "test_an_explanation_explains_the_decision", ()),
        (Failing, "test_the_policies_pass_their_own_tests", ()),
        (Raising, "test_every_question_has_an_answer", ()),
    ],
)
def test_what_is_wrong_is_caught(
    wrong: type[Plain],
    test: str,
    more: tuple[object, ...],
    rules: Path,
    monkeypatch: pytest.MonkeyPatch,
    unshrunk: Callable[[type], None],
) -> None:
    class Kit(PolicyKit):
        """About the wrong one."""

    unshrunk(Kit)
    monkeypatch.setattr(Kit, "needs", needs(rules))
    if wrong is Gullible and test.endswith("start"):
        wrong = type("Open", (Gullible,), {"__init__": _opened})
    with pytest.raises((AssertionError, pytest.fail.Exception, PolicyUnavailable)):
        getattr(Kit(), test)(lambda: wrong(rules), *more)


def test_an_engine_that_does_not_follow_its_file_is_caught(rules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jackfield.testing.kits.policy.PATIENCE_S", 0.5)

    class Kit(PolicyKit):
        """About the wrong one."""

    monkeypatch.setattr(Kit, "needs", needs(rules))
    with pytest.raises(TimeoutError):
        Kit().test_changed_policies_hold_without_a_restart(lambda: Fixed(rules))


def _opened(self: Plain, file: Path) -> None:
    """Starts with whatever there is."""
    self.file = file
    self.troubles, self.closed, self.forbidden = (), False, set()
    self.look()
