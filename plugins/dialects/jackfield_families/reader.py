"""Reads the families' answers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from jackfield.parsing.json_calls import JsonCallReader
from jackfield.parsing.python_calls import python_calls
from jackfield.parsing.tagged_calls import TaggedArguments

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.chat import Tool
    from jackfield.parsing.reading import Reading
    from jackfield.ports.dialect import ThinkingMarks
    from jackfield_families.forms import CallMarks, Form, Tags

_NUMBER: Final = re.compile(r":[0-9]{1,9}\Z")
_RAW, _RAW_END = "<![CDATA[", "]]>"


class FamilyReader(JsonCallReader):
    """Thoughts, content and calls of one form.

    Parameters:
        prompt_end: The end of the rendered prompt.
        tools: Those that may be called, by name. A call of another one is malformed.
        form: How calls are written.
        thinking: How thoughts are marked; None where the model has none.
    """

    def __init__(self, prompt_end: str, tools: Mapping[str, Tool], form: Form, thinking: ThinkingMarks | None) -> None:
        self._tools = tools
        self._form = form
        self._thinking = thinking
        super().__init__(prompt_end, tools)

    def answer(self) -> Reading[None]:
        """Thoughts, then content and calls in any order."""
        form = self._form
        if self._thinking is not None:
            yield from self.thoughts(self._thinking.begin, self._thinking.end)
        marks = [*filter(None, (form.begin or (form.call and form.call.begin), form.dropped))]
        while (mark := (yield from self.content(*marks))) is not None:
            if mark != form.dropped:
                yield from self._calls(begun=not form.begin)
                if form.end:
                    yield from self.space()
                    yield from self.optional(form.end)
            self.end_call()

    def _calls(self, *, begun: bool) -> Reading[None]:
        """What stands between the marks; *begun*: a call's own mark was taken."""
        form = self._form
        if form.call is not None:
            yield from self._marked_calls(form.call, begun=begun)
        elif form.style == "keyed":
            yield from self._keyed_calls()
        elif form.style == "python" and not (yield from self._is_json()):
            yield from python_calls(self, self.known)
        else:
            yield from self._objects()

    def _is_json(self) -> Reading[bool]:
        yield from self.space()
        return (yield from self.looking_at("[{", "{")) is not None

    def _objects(self) -> Reading[None]:
        """An array, or objects one after the other."""
        yield from self.space()
        if (yield from self.optional("[")) is not None:
            yield from self.calls_in_array()
            return
        while True:
            yield from self.call_object()
            yield from self.space()
            if self._form.single or (yield from self.looking_at("{")) is None:
                return

    def _keyed_calls(self) -> Reading[None]:
        yield from self.space()
        yield from self.expect("[")
        while True:
            yield from self.space()
            yield from self.expect("{")
            name = self.known((yield from self.string()))
            yield from self.space()
            yield from self.expect(":")
            self.begin_call(name)
            yield from self.arguments()
            yield from self.space()
            yield from self.expect("}")
            self.end_call()
            yield from self.space()
            if (yield from self.expect(",", "]")) == "]":
                return

    def _marked_calls(self, marks: CallMarks, *, begun: bool) -> Reading[None]:
        if not begun:
            yield from self.space()
            yield from self.expect(marks.begin)
        while True:
            yield from self._marked_call(marks)
            yield from self.space()
            # without marks around all calls the next one is found as the first one was
            if not self._form.begin or (yield from self.optional(marks.begin)) is None:
                return

    def _marked_call(self, marks: CallMarks) -> Reading[None]:
        name = (yield from self.word(marks.name_end)).strip().removeprefix(marks.prefix)
        if marks.numbered:
            name = _NUMBER.sub("", name)
        self.begin_call(self.known(name))
        if self._form.tags is not None:
            yield from self._tagged(TaggedArguments(self, self._tools[name]), self._form.tags, marks.end)
        else:
            yield from self.arguments()
            yield from self.space()
            yield from self.optional(marks.end)
        self.end_call()

    def _tagged(self, arguments: TaggedArguments, tags: Tags, end: str) -> Reading[None]:
        yield from self.space()
        while (yield from self.expect(tags.begin, end)) == tags.begin:
            key = yield from self.word(tags.name_end)
            if tags.value_begin:
                yield from self.space()
                yield from self.expect(tags.value_begin)
            raw = (yield from self.optional(_RAW)) is not None
            yield from arguments.value(key, f"{_RAW_END}{tags.end}" if raw else tags.end)
            yield from self.space()
        arguments.close()
