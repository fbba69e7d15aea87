"""Guardrails as the gateway calls them: measured, in bounded time, and believed only where their verdicts are sound."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, TypeVar, cast

from jackfield.errors import JackfieldError, PluginError
from jackfield.port_calls import CallTimes
from jackfield.ports.guardrail import DEADLINE_S, Finding, GuardrailTraits, Mask, Scanner, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jackfield.gateway.plugged import Plugged
    from jackfield.ports.guardrail import GuardedText, Guardrail, Subject

Answer = TypeVar("Answer")

PASSED: Final = Verdict()


class Guard:
    """One enabled guardrail. Event loop thread.

    Parameters:
        plugged: With the guardrail.

    Raises:
        PluginError: It does not say what it does.

    Attributes:
        name: Its own.
        traits: What it does.
        scans: Whether its verdicts come at once.
    """

    def __init__(self, plugged: Plugged[Guardrail]) -> None:
        traits = getattr(plugged.object, "traits", None)
        if not isinstance(traits, GuardrailTraits):
            raise PluginError(f"guardrail {plugged.name}: its factory made something without traits")
        self.name: Final = plugged.name
        self.traits: Final = traits
        self.scans: Final = isinstance(plugged.object, Scanner)
        self._scanner = cast("Scanner", plugged.object)
        self._plugged = plugged
        self._concern_times = CallTimes("Guardrail.concerns", plugged.name)
        self._scan_times = CallTimes("Scanner.scan", plugged.name)

    def concerns(self, subject: Subject) -> bool:
        """Whether it is to judge the texts of *subject*.

        Raises:
            GuardrailFailed: It cannot tell.
        """
        concerned: object = self._timed(self._concern_times, lambda: self._plugged.object.concerns(subject))
        if not isinstance(concerned, bool):  # neither a guess nor a coroutine that nobody awaits
            raise self._plugged.failed(PluginError("concerns() returned neither True nor False"))
        return concerned

    async def judge(self, subject: Subject, texts: Sequence[GuardedText]) -> Sequence[Verdict]:
        """A verdict for each of *texts*; those of channels that are not its own pass.

        Raises:
            GuardrailFailed: It broke, was too slow, or gave what is no verdict.
        """
        own = [text for text in texts if text.channel in self.traits.channels]
        if not own:
            return [PASSED] * len(texts)
        verdicts: object = await self._plugged.ask(
            self._plugged.object, lambda each: each.judge(subject, own), DEADLINE_S
        )
        if not isinstance(verdicts, list | tuple) or len(verdicts) != len(own):
            raise self._unsound("there is not one for each text")
        each = iter([self._sound(verdict, text) for verdict, text in zip(verdicts, own, strict=True)])
        return [next(each) if text.channel in self.traits.channels else PASSED for text in texts]

    def scan(self, subject: Subject, text: GuardedText) -> Verdict:
        """The same of one text, at once; only where it ``scans``."""
        if text.channel not in self.traits.channels:
            return PASSED
        scan = self._scanner.scan
        return self._sound(self._timed(self._scan_times, lambda: scan(subject, text)), text)

    async def close(self) -> None:
        """Have it give back what it holds; raises ``GuardrailFailed``."""
        await self._plugged.ask(self._plugged.object, lambda each: each.close(), DEADLINE_S)

    def _timed(self, times: CallTimes, call: Callable[[], Answer]) -> Answer:
        began = time.perf_counter()
        try:
            return call()
        except Exception as error:
            raise self._plugged.failed(error) from error
        finally:
            times.took(time.perf_counter() - began)

    def _sound(self, verdict: object, text: GuardedText) -> Verdict:
        try:
            sound = _verdict(verdict, len(text.text))
        except (TypeError, AttributeError):  # parts of other types than they are to be
            sound = None
        if sound is None:
            raise self._unsound("it is none, or its spans are not in the text, or not in order")
        if sound.masks and not self.traits.masks:
            raise self._unsound("it masks, and its traits say that it does not")
        return sound

    def _unsound(self, why: str) -> JackfieldError:
        return self._plugged.failed(PluginError(f"a verdict cannot be used: {why}"))


def _verdict(given: object, length: int) -> Verdict | None:
    """*given*, if it is a verdict of a text of *length* characters."""
    if not isinstance(given, Verdict) or not _all_of(Finding, given.findings) or not _all_of(Mask, given.masks):
        return None
    done = 0
    for mask in given.masks:
        if not done <= mask.start < mask.end <= length or not _all_of(str, (mask.replacement,)):
            return None
        done = mask.end
    return given


def _all_of(kind: type, given: Sequence[object]) -> bool:
    return all(isinstance(each, kind) for each in given)


async def all_verdicts(
    guards: Sequence[Guard], subject: Subject, texts: Sequence[GuardedText]
) -> Sequence[Sequence[Verdict]]:
    """What each of *guards* says of *texts*, all asked at the same time. One that blocks makes failures irrelevant.

    Raises:
        GuardrailFailed: One of them cannot tell, and none blocks.
    """
    if len(guards) == 1:  # what nearly everybody has, without tasks
        return [await guards[0].judge(subject, texts)]
    answers = await asyncio.gather(*(guard.judge(subject, texts) for guard in guards), return_exceptions=True)
    verdicts: list[Sequence[Verdict]] = []
    failure: BaseException | None = None
    for answer in answers:
        if isinstance(answer, BaseException):
            failure = failure or answer
            verdicts.append([PASSED] * len(texts))
        else:
            verdicts.append(answer)
    if failure is not None and not any(verdict.blocked for each in verdicts for verdict in each):
        raise failure
    return verdicts
