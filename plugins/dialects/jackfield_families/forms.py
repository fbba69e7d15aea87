"""What each family writes around calls and thoughts."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, TypeAlias

from jackfield.ports.dialect import ThinkingMarks

Style: TypeAlias = Literal["array", "lines", "keyed", "python", "named", "tagged"]
"""What stands between the marks of all calls:

- ``array``: ``[{"name": "f", "arguments": {…}}, …]``,
- ``lines``: the same objects, without brackets,
- ``keyed``: ``[{"f": {…}}, …]``,
- ``python``: ``[f(a=1), …]``,
- ``named``: each call between marks of its own, with the name in front of JSON,
- ``tagged``: the same, with each argument between tags.
"""


class CallMarks(NamedTuple):
    """Marks of each single call, where it has some."""

    begin: str
    name_end: str
    end: str
    prefix: str = ""
    """In front of each name."""
    numbered: bool = False
    """Whether a colon and the call's number stand behind each name."""


class Tags(NamedTuple):
    """Around each argument."""

    begin: str
    """In front of its name."""
    name_end: str
    end: str
    """Behind its value."""
    value_begin: str = ""
    """In front of its value, on a line of its own, where the name has ended before."""


class Form(NamedTuple):
    """How one family writes."""

    signs: tuple[str, ...]
    """Texts that its templates have, all of them."""
    style: Style
    begin: str = ""
    """In front of all calls; empty where each call has marks and nothing stands around them."""
    end: str = ""
    line: str = "\n"
    """What stands between marks and calls."""
    call: CallMarks | None = None
    tags: Tags | None = None
    single: bool = False
    """Whether an answer has one call at most."""
    thinking: ThinkingMarks | None = None
    """Where the template has the mark that ends thoughts."""
    switch: str = ""
    """The template's variable that switches thoughts."""
    values: tuple[str | int | bool, str | int | bool] = (False, True)
    """What it is for off and for on."""
    efforts: tuple[str, ...] = ()
    """Other values that it can have."""
    counts: bool = False
    """Whether its values are numbers of tokens, so that a budget is one."""
    off: str = ""
    """A word of the system message that switches thoughts off, where a word does."""
    dropped: str = ""
    """A mark within content that is not shown."""


SUFFIX: Final = ":opensource"
"""At the end of Hunyuan's marks; its template puts it in."""

_THINK: Final = ThinkingMarks("<think>", "</think>")

FORMS: Final = {
    "apertus": Form(
        ("<|tools_prefix|>",),
        "keyed",
        "<|tools_prefix|>",
        "<|tools_suffix|>",
        thinking=ThinkingMarks("<|inner_prefix|>", "<|inner_suffix|>", after=""),
        switch="enable_thinking",
    ),
    "apriel": Form(
        ("<tool_calls>[",),
        "array",
        "<tool_calls>",
        "</tool_calls>",
        thinking=ThinkingMarks("Here are my reasoning steps:", "[BEGIN FINAL RESPONSE]", after="\n"),
        dropped="[END FINAL RESPONSE]",
    ),
    "functionary": Form(
        ("<|start_header_id|>", "<function=", "</function>"),
        "named",
        line="",
        call=CallMarks("<function=", ">", "</function>"),
    ),
    "gigachat": Form(("<|function_call|>",), "lines", "<|function_call|>", line="", single=True),
    "hunyuan": Form(
        ("<tool_sep{}>", "HYTK = ':opensource'"),
        "tagged",
        "<tool_calls:opensource>",
        "</tool_calls:opensource>",
        call=CallMarks("<tool_call:opensource>", "<tool_sep:opensource>", "</tool_call:opensource>"),
        tags=Tags(
            "<arg_key:opensource>",
            "</arg_key:opensource>",
            "</arg_value:opensource>",
            "<arg_value:opensource>",
        ),
        thinking=ThinkingMarks("<think:opensource>", "</think:opensource>", after=""),
        switch="reasoning_effort",
        values=("no_think", "high"),
        efforts=("low", "high"),
    ),
    "kimi": Form(
        ("<|tool_calls_section_begin|>",),
        "named",
        "<|tool_calls_section_begin|>",
        "<|tool_calls_section_end|>",
        line="",
        call=CallMarks(
            "<|tool_call_begin|>",
            "<|tool_call_argument_begin|>",
            "<|tool_call_end|>",
            prefix="functions.",
            numbered=True,
        ),
        thinking=_THINK,
    ),
    "lfm2": Form(
        ("<|im_start|>", "List of tools: "),
        "python",
        "<|tool_call_start|>",
        "<|tool_call_end|>",
        line="",
        thinking=_THINK,
    ),
    "minicpm": Form(
        ('<function name="', '<param name="'),
        "tagged",
        line="",
        call=CallMarks('<function name="', '">', "</function>"),
        tags=Tags('<param name="', '">', "</param>"),
        thinking=_THINK,
        switch="enable_thinking",
    ),
    "minimax": Form(
        ("<minimax:tool_call>", "<invoke name="),
        "tagged",
        "<minimax:tool_call>",
        "</minimax:tool_call>",
        call=CallMarks('<invoke name="', '">', "</invoke>"),
        tags=Tags('<parameter name="', '">', "</parameter>"),
        thinking=_THINK,
    ),
    "minimax-m1": Form(
        ("<beginning_of_sentence>", "<tool_calls>"), "lines", "<tool_calls>", "</tool_calls>", thinking=_THINK
    ),
    "nemotron": Form(("<TOOLCALL>[",), "array", "<TOOLCALL>", "</TOOLCALL>", line="", thinking=_THINK, off="/no_think"),
    "seed": Form(
        ("<seed:tool_call>",),
        "tagged",
        "<seed:tool_call>",
        "</seed:tool_call>",
        call=CallMarks("<function=", ">", "</function>"),
        tags=Tags("<parameter=", ">", "</parameter>"),
        thinking=ThinkingMarks("<seed:think>", "</seed:think>", after="\n"),
        switch="thinking_budget",
        values=(0, -1),
        counts=True,
    ),
}
"""By the dialect's name."""


def marks_of(form: Form) -> list[str]:
    """All marks of *form* that may be tokens of their own, in front of and behind thoughts apart."""
    texts = [form.begin, form.end, form.dropped]
    if form.call is not None:
        texts += [form.call.begin, form.call.name_end, form.call.end]
    if form.tags is not None:
        texts += [form.tags.begin, form.tags.name_end, form.tags.value_begin, form.tags.end]
    return [text for text in texts if is_mark(text)]


def is_mark(text: str) -> bool:
    """Whether *text* may be a token of its own; what only closes a bracket or a quote is none."""
    return text[:1] in {"<", "["}
