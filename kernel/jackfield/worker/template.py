"""Chat templates: hostile Jinja programs from model files, rendered in a sandbox within bounds of time and output."""

from __future__ import annotations

import ctypes
import threading
import time
from typing import TYPE_CHECKING, Final

import jinja2

from jackfield.errors import BackendFault, InvalidRequest, ModelLoadError
from jackfield.worker.template_sandbox import TemplateRefused, sandbox

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.chat import JsonValue

SOURCE_MAX: Final = 256 * 1024
"""Largest template source in characters; the longest in the field are about 20,000."""

RENDER_DEADLINE_S: Final = 2.0
"""Real templates take about a millisecond; one that is still running after this is hostile or broken."""

_SEAM: Final = "\ue000\ue001 seam \ue001\ue000"
"""Put at the end of the message that is continued, and looked for in what is rendered. Private characters: no template
trims or changes them."""


_FAILURES: Final = (jinja2.TemplateError, ArithmeticError, LookupError, TypeError, ValueError, RecursionError)
"""What a template may raise that was given what it does not expect, or is broken."""


class _TimeUp(BaseException):
    """Raised into the rendering thread when its time is up; not an ``Exception``, so that no template catches it."""


class ChatTemplate:
    """A model's chat template, compiled.

    Parameters:
        source: Jinja source from the model file.
        tokens: Texts of special tokens that templates name (``bos_token``, ``eos_token``).
        output_max: Longest prompt in characters that can fit the model's context.

    Raises:
        ModelLoadError: The source is too large or not Jinja.

    Used by the intake thread only.
    """

    def __init__(self, source: str, tokens: Mapping[str, str], output_max: int) -> None:
        if len(source) > SOURCE_MAX:
            raise ModelLoadError(f"the model's chat template has {len(source)} characters; the limit is {SOURCE_MAX}")
        try:
            self._template = sandbox().from_string(source)
        except jinja2.TemplateError as error:
            raise ModelLoadError(f"the model's chat template is not valid Jinja: {error}") from error
        except RecursionError as error:
            raise ModelLoadError("the model's chat template is nested too deeply") from error
        self._tokens = dict(tokens)
        self._output_max = output_max

    def render(self, variables: Mapping[str, JsonValue], *, continue_final: bool = False) -> str | None:
        """The prompt, ready for the assistant's turn; None if it is certainly too long for the context.

        Parameters:
            variables: ``messages``, and what else the template reads.
            continue_final: The prompt ends with the last message's text instead, which the answer goes on with.

        Raises:
            InvalidRequest: The template does not accept the conversation.
            BackendFault: The template is broken, or took longer than ``RENDER_DEADLINE_S``. One that can render the
                plainest conversation is not broken: what it fails at is the request's.
        """
        shown = _with_seam(variables) if continue_final else variables
        try:
            with _TimeLimit(RENDER_DEADLINE_S):
                text = self._generate(shown, begin=not continue_final)
        except TemplateRefused as error:
            said = str(error)[:200]
            raise InvalidRequest(f"the model's chat template refuses the messages: {said}", param="messages") from error
        except _TimeUp as error:
            raise BackendFault("the model's chat template takes too long to render") from error
        except _FAILURES as error:
            kind = type(error).__name__
            if self._renders_plainly():
                what = f"the model's chat template cannot render this conversation, or its tools: {kind}"
                raise InvalidRequest(what, param="messages") from error
            raise BackendFault(f"the model's chat template failed: {kind}") from error
        return _before_seam(text) if continue_final and text is not None else text

    def _renders_plainly(self) -> bool:
        try:
            with _TimeLimit(RENDER_DEADLINE_S):
                self._generate({"messages": [{"role": "user", "content": "Hi"}]}, begin=True)
        except (TemplateRefused, _TimeUp, *_FAILURES):
            return False
        return True

    def _generate(self, variables: Mapping[str, JsonValue], *, begin: bool) -> str | None:
        parts: list[str] = []
        size = 0
        # what the kernel says goes before what a request says
        given = {"tools": None, **variables, **self._tokens, "add_generation_prompt": begin}
        for part in self._template.generate(given):
            size += len(part)
            if size > self._output_max:
                return None
            parts.append(part)
        return "".join(parts)


def _with_seam(variables: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    *before, last = variables["messages"]
    return {**variables, "messages": [*before, {**last, "content": f"{last.get('content') or ''}{_SEAM}"}]}


def _before_seam(text: str) -> str:
    """*text* up to the end of the message that is continued."""
    prompt, seam, _ = text.rpartition(_SEAM)
    if not seam:
        why = "the model's chat template leaves the last message out; it cannot be continued"
        raise InvalidRequest(why, param="messages")
    return prompt


class _TimeLimit:
    """Raises ``_TimeUp`` in the thread that entered it, once its time is up.

    ``PyThreadState_SetAsyncExc`` reaches any Python code, loops of a template included, without a tracing cost. The
    exception arrives some bytecodes later, so leaving waits for one that is under way: it must not hit what comes
    after.
    """

    def __init__(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._fire)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._active = True
        self._fired = False
        self._thread = threading.get_ident()

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            self._active = False
            fired = self._fired
        while fired and kind is not _TimeUp:  # ends by the exception that is on its way
            time.sleep(0.001)

    def _fire(self) -> None:
        with self._lock:
            if self._active:
                self._fired = True
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), ctypes.py_object(_TimeUp))
