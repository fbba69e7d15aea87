"""Guardrails from rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jackfield.errors import ManifestError
from jackfield.outbound.errors import OutboundRefused
from jackfield_guardrails import rules
from jackfield_guardrails.classifier import TIMEOUT_MAX_S, ClassifierGuardrail
from jackfield_guardrails.forms import FormDetector
from jackfield_guardrails.injection import InjectionJudge
from jackfield_guardrails.languages import LanguageJudge
from jackfield_guardrails.lengths import LengthJudge
from jackfield_guardrails.local import PlaceGuardrail, WholeGuardrail
from jackfield_guardrails.patterns import PatternRefused
from jackfield_guardrails.regexes import RegexDetector
from jackfield_guardrails.ruled import Ruled, RuledScanner
from jackfield_guardrails.topics import TopicJudge
from jackfield_guardrails.webhook import WebhookGuardrail
from jackfield_guardrails.words import WordDetector

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from jackfield import PluginInstance
    from jackfield.ports.guardrail import Asking, Guardrail
    from jackfield_guardrails.finding import Detector, Judge
    from jackfield_guardrails.placeholders import Placeholders

KIND: Final = "guardrail"
"""Of the documents of the instance ``guardrails``; those of another one are ``guardrail-NAME``."""

WORDS_MAX: Final = 20_000
"""Words of one rule, those of files included."""

FILE_MAX: Final = 1 << 20
"""Bytes of one file of words."""

REMOTE: Final = (rules.WebhookRule, rules.ClassifierRule)


class Builder:
    """Makes the guardrails of one instance. Main thread, and later the event loop's.

    Parameters:
        instance: Knows where files and secrets are.
        placeholders: Shared by all rules of the instance.
    """

    def __init__(self, instance: PluginInstance, placeholders: Placeholders) -> None:
        self._instance = instance
        self._placeholders = placeholders

    def guardrail(self, name: str, names: Container[str], rule: rules.AnyRule, asking: Asking) -> Guardrail:
        """The guardrail *name*, whose rule may change.

        Raises:
            ManifestError: The rule cannot be used; the message names the key.
        """

        def build(rule: rules.AnyRule, longest: int) -> Guardrail:
            return self._built(name, rule, asking, longest)

        instance = self._instance.name
        kind = KIND if instance == "guardrails" else f"{KIND}-{instance}"
        made = Ruled if isinstance(rule, REMOTE) else RuledScanner
        return made(kind, name, names, rule, build)

    def _built(self, name: str, rule: rules.AnyRule, asking: Asking, longest: int) -> Guardrail:
        key = f"config.{self._instance.name}.rules.{name}"
        try:
            return self._of_kind(name, rule, asking, longest)
        except (PatternRefused, ValueError) as error:
            raise ManifestError(f"{key}.{error}", param=f"{key}.{str(error).partition(' ')[0]}") from error

    def _of_kind(self, name: str, rule: rules.AnyRule, asking: Asking, longest: int) -> Guardrail:
        if isinstance(rule, REMOTE) and rule.window is None and rule.window_ms is not None:
            raise ValueError("window_ms needs window")
        match rule:
            case rules.WebhookRule():
                return self._webhook(name, rule)
            case rules.ClassifierRule():
                return _classifier(rule, asking)
            case rules.PiiRule():
                names = [*rule.entities, *(("random",) if "token" in rule.entities else ())]
                numbered = None if rule.replacement else self._placeholders
                return PlaceGuardrail(rule, FormDetector(names), "pii", numbered, restore=rule.restore, longest=longest)
            case rules.WordsRule() | rules.RegexRule() | rules.SecretsRule():
                return PlaceGuardrail(rule, self._detector(rule), _CATEGORIES[type(rule)], longest=longest)
            case _:
                return WholeGuardrail(rule, _judge(rule), _CATEGORIES[type(rule)])

    def _detector(self, rule: rules.WordsRule | rules.RegexRule | rules.SecretsRule) -> Detector:
        if isinstance(rule, rules.SecretsRule):
            further = (("random",) if rule.entropy else ()) + (("assigned",) if rule.assignments else ())
            return FormDetector(("token", *further))
        if isinstance(rule, rules.WordsRule):
            return WordDetector(self._words(rule), "word_list", whole=rule.whole_words)
        if not rule.patterns:
            raise ValueError("patterns must not be empty")
        detector = RegexDetector(rule.patterns, "pattern", ignore_case=rule.ignore_case)
        if rule.action == "mask" and detector.longest is None:
            raise ValueError("patterns must have a longest match, and no begin or end of a text, where they are masked")
        return detector

    def _words(self, rule: rules.WordsRule) -> Sequence[str]:
        words = list(rule.words)
        for file in rule.files:
            words += self._listed(file)
        words = [word for word in words if word.strip()]
        if not words:
            raise ValueError("words must not be empty")
        if len(words) > WORDS_MAX:
            raise ValueError(f"words must not be more than {WORDS_MAX}")
        return words

    def _listed(self, file: str) -> Sequence[str]:
        try:
            data = self._instance.path(file).read_bytes()
            text = data.decode()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"files: {file} cannot be read ({type(error).__name__})") from error
        if len(data) > FILE_MAX:
            raise ValueError(f"files: {file} has more than {FILE_MAX} bytes")
        return [line.strip() for line in text.splitlines() if not line.startswith("#")]

    def _webhook(self, name: str, rule: rules.WebhookRule) -> Guardrail:
        from jackfield.outbound.client import Outbound  # imports aiohttp

        if not rule.url:
            raise ValueError("url must not be empty")
        if rule.outbound.timeout_s > TIMEOUT_MAX_S:
            raise ValueError(f"outbound.timeout_s must be at most {TIMEOUT_MAX_S:g}")
        outbound = Outbound(rule.outbound, self._instance.path)
        try:
            outbound.check(rule.url)
        except OutboundRefused as error:
            raise ValueError(f"url cannot be asked: {error.message}") from error
        reference = rule.secret
        secret = (lambda: self._instance.secret(reference)) if reference else None
        return WebhookGuardrail(rule, name, outbound, secret)


_CATEGORIES: Final[dict[type, str]] = {
    rules.WordsRule: "words",
    rules.RegexRule: "words",
    rules.SecretsRule: "secrets",
    rules.InjectionRule: "injection",
    rules.LanguageRule: "language",
    rules.TopicsRule: "topic",
    rules.LengthRule: "length",
}
"""What findings of each kind are called."""


def _judge(rule: rules.BlockingRule) -> Judge:
    match rule:
        case rules.InjectionRule():
            return InjectionJudge(rule)
        case rules.LanguageRule():
            if not rule.allow and not rule.deny:
                raise ValueError("allow or deny must name a language")
            return LanguageJudge(rule)
        case rules.TopicsRule():
            if not any(rule.topics.values()):
                raise ValueError("topics must not be empty")
            return TopicJudge(rule)
        case rules.LengthRule():
            if rule.characters is None and rule.lines is None and rule.repeated is None:
                raise ValueError("characters, lines or repeated must be given")
            return LengthJudge(rule)
        case _:
            raise AssertionError(type(rule))


def _classifier(rule: rules.ClassifierRule, asking: Asking) -> Guardrail:
    if not rule.model:
        raise ValueError("model must not be empty")
    if not rule.thresholds:
        raise ValueError("thresholds must name a label")
    return ClassifierGuardrail(rule, asking, "classifier")
