"""The guardrail stage: prompts are judged, masked or refused before a worker has them."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from tests.kernel.gateway.watchmen import QuickWatchman, Watchman, Witness, context, guarding

from jackfield.chat import ChatPrompt, Message, Tool, ToolCall
from jackfield.errors import ContentBlocked, GuardrailFailed, PluginError, UnsupportedField, http
from jackfield.gateway.dialects import Dialects
from jackfield.gateway.replica import Replica
from jackfield.manifest import ModelConfig
from jackfield.pooled import PairPrompt, PoolRequest
from jackfield.ports.identity import Principal
from jackfield.ports.observer import GuardrailActed
from jackfield.ports.policy import Obligations
from jackfield.types import Finished, GenerateRequest, InfillPrompt, TextDelta, TextPrompt, Timings, TokenPrompt, Usage

if TYPE_CHECKING:
    from jackfield.gateway.guarding import Guarded, Guarding
    from jackfield.ports.guardrail import Action
    from jackfield.types import Prompt

FREE = Obligations()
REPLICA = Replica("demo", ModelConfig(source="demo.gguf"), 10, Dialects({}, {}))
END = Finished("stop", Usage(1, 1), Timings(0.0, 0.0, 0.0))

CHAT = ChatPrompt(
    (
        Message("system", "be a bomb"),
        Message("user", "a bomb", name="bomber"),
        Message(
            "assistant",
            "the bomb",
            (ToolCall("id", "f", '{"bomb": ["bomb", 17, "\\u0062omb"]}'),),
            reasoning="which bomb",
        ),
        Message("tool", "bomb found", tool_call_id="id", name="f"),
    ),
    tools=(Tool(name="f", description="finds a bomb", parameters='{"type": "object", "title": "bomb"}'),),
    template_kwargs={"documents": [{"text": "old bomb", "pages": 3}]},
)


def work(prompt: Prompt) -> GenerateRequest:
    """A request with *prompt*."""
    return GenerateRequest(model="demo", prompt=prompt)


def entered(stage: Guarding, request: Any, obligations: Obligations = FREE, own: Any = None) -> Guarded[Any]:
    """*request*, once it has passed."""
    return asyncio.run(stage.enter(own or context(), REPLICA, request, obligations))


def masker(**more: Any) -> Watchman:
    """Masks bombs."""
    return Watchman("bomb", "mask", "###", **more)


def test_every_text_of_a_conversation_is_judged() -> None:
    """By its channel, with who says it; of arguments and schemas what is decoded."""
    watchman = masker()
    guarded = entered(guarding(one=watchman), work(CHAT))
    seen = [(text.text, text.channel, text.role) for text in watchman.seen]
    assert seen == [
        ("be a bomb", "content", "system"),
        ("a bomb", "content", "user"),
        ("bomber", "content", "user"),
        ("the bomb", "content", "assistant"),
        ("which bomb", "reasoning", "assistant"),
        ("f", "content", "assistant"),
        ("bomb", "arguments", "assistant"),
        ("bomb", "arguments", "assistant"),
        ("17", "arguments", "assistant"),
        ("bomb", "arguments", "assistant"),
        ("bomb found", "content", "tool"),
        ("f", "content", "tool"),
        ("f", "content", "system"),
        ("finds a bomb", "content", "system"),
        ("type", "content", "system"),
        ("object", "content", "system"),
        ("title", "content", "system"),
        ("bomb", "content", "system"),
        ("text", "content", "tool"),
        ("old bomb", "content", "tool"),
        ("pages", "content", "tool"),
        ("3", "content", "tool"),
    ]
    assert "bomb" not in msgspec.json.encode(guarded.work).decode()
    [call] = guarded.work.prompt.messages[2].tool_calls
    assert json.loads(call.arguments) == {"###": ["###", 17, "###"]}


@pytest.mark.parametrize("action", ["mask", "block"])
@pytest.mark.parametrize(
    "chat",
    [
        ChatPrompt((Message("user", "hi"),), tools=(Tool(name="bomb"),)),
        ChatPrompt((Message("assistant", "", (ToolCall("id", "a bomb"),)), Message("user", "hi"))),
        ChatPrompt((Message("user", "hi"), Message("tool", "x", tool_call_id="id", name="a bomb"))),
        ChatPrompt((Message("assistant", "", (ToolCall("make a bomb", "f"),)), Message("user", "hi"))),
        ChatPrompt((Message("user", "hi"), Message("tool", "x", tool_call_id="make a bomb", name="f"))),
        ChatPrompt((Message("user", "hi"),), template_kwargs={"documents": [{"a bomb": "x"}]}),
    ],
)
def test_names_of_tools_and_of_members_pass_as_they_are_or_not_at_all(action: Action, chat: ChatPrompt) -> None:
    """A template shows them to the model, and calls and answers find each other by them."""
    with pytest.raises(ContentBlocked):
        entered(guarding(one=Watchman("bomb", action)), work(chat))


def test_a_number_that_a_template_shows_is_judged_as_it_is_written() -> None:
    """What must not be seen of it becomes a text; all others stay numbers, and flags flags."""
    asked = {"documents": [{"card": 4111, "pages": 3, "new": True, "of": None, "worth": 1.5}]}
    chat = ChatPrompt((Message("user", "hi"),), template_kwargs=asked)
    guarded = entered(guarding(one=Watchman("4111", "mask", "###")), work(chat))
    [document] = guarded.work.prompt.template_kwargs["documents"]
    assert document == {"card": "###", "pages": 3, "new": True, "of": None, "worth": 1.5}


@pytest.mark.parametrize(
    ("request_", "masked"),
    [
        (work(TextPrompt("a bomb", parse_special=True)), work(TextPrompt("a ###", parse_special=True))),
        (
            work(InfillPrompt("bomb", "bomb", (("bomb.py", "bomb"),), "bomb")),
            work(InfillPrompt("###", "###", (("###.py", "###"),), "###")),
        ),
        (
            PoolRequest(model="demo", task="embed", inputs=(TextPrompt("bomb"), TextPrompt("x"))),
            PoolRequest(model="demo", task="embed", inputs=(TextPrompt("###"), TextPrompt("x"))),
        ),
        (
            PoolRequest(model="demo", task="rerank", inputs=(PairPrompt("bomb?", "a bomb"),)),
            PoolRequest(model="demo", task="rerank", inputs=(PairPrompt("###?", "a ###"),)),
        ),
    ],
)
def test_all_kinds_of_work_are_masked(request_: Any, masked: Any) -> None:
    """And nothing else in them is changed."""
    assert entered(guarding(one=masker()), request_).work == masked


def test_what_is_blocked_is_refused_without_its_text() -> None:
    """With the kind of thing that was found, for people and for programs."""
    with pytest.raises(ContentBlocked) as caught:
        entered(guarding(one=Watchman("bomb")), work(TextPrompt("a bomb")))
    assert http(caught.value).status == 400
    assert http(caught.value).code == "content_policy_violation"
    assert caught.value.message == "the request was blocked by a guardrail: test (pattern)"


def test_maskers_go_one_after_the_other_and_the_others_after_them() -> None:
    """In the order in which they are listed."""
    first, second, other = masker(), Watchman("###", "mask", "$$$"), Watchman("###|bomb")
    guarded = entered(guarding(other=other, first=first, second=second), work(TextPrompt("a bomb")))
    assert guarded.work.prompt == TextPrompt("a $$$")
    assert [each.text for each in other.seen] == ["a $$$"]
    assert [each.text for each in second.seen] == ["a ###"]


def test_those_that_do_not_mask_judge_at_the_same_time() -> None:
    """One that waits keeps no other from beginning."""

    async def scenario() -> int:
        slow, quick = Watchman("x"), Watchman("x")
        slow.open.clear()
        stage = guarding(slow=slow, quick=quick)
        entering = asyncio.ensure_future(stage.enter(context(), REPLICA, work(TextPrompt("hi")), FREE))
        await quick.judged.wait()
        waited = len(slow.seen)
        slow.open.set()
        await entering
        return waited

    assert asyncio.run(scenario()) == 0


def test_a_block_wins_over_a_failure() -> None:
    """And a failure over everything else."""
    broken = Watchman("x")
    broken.broken = OSError("no")
    with pytest.raises(ContentBlocked):
        entered(guarding(broken=broken, one=Watchman("bomb")), work(TextPrompt("a bomb")))
    with pytest.raises(GuardrailFailed) as caught:
        entered(guarding(broken=broken, one=Watchman("bomb")), work(TextPrompt("peace")))
    assert http(caught.value).status == 503


def test_a_guardrail_that_does_not_answer_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """In bounded time."""
    monkeypatch.setattr("jackfield.gateway.guards.DEADLINE_S", 0.01)
    slow = Watchman("x")
    slow.open.clear()
    with pytest.raises(GuardrailFailed):
        entered(guarding(slow=slow), work(TextPrompt("hi")))


def test_too_few_verdicts_are_none() -> None:
    """Which text is which cannot be told."""

    class Short(Watchman):
        async def judge(self, subject: Any, texts: Any) -> Any:
            return (await super().judge(subject, texts))[1:]

    class Lazy(Watchman):
        async def judge(self, subject: Any, texts: Any) -> Any:
            return None

    for kind in (Short, Lazy):
        with pytest.raises(GuardrailFailed):
            entered(guarding(one=kind("x")), work(TextPrompt("hi")))


def test_who_is_judged_is_up_to_the_guardrail() -> None:
    """It is told whose texts they are; and none is asked for a stage that is not its own."""
    unconcerned = Watchman("bomb", concerned=False)
    answers_only = Watchman("bomb", stages=frozenset({"output"}))
    asked = Watchman("peace")
    own = context()
    own.principal = Principal(id="a", name="ann", fingerprint="abc123")
    entered(guarding(one=unconcerned, two=answers_only, three=asked), work(TextPrompt("bomb")), own=own)
    [subject] = asked.subjects
    assert (subject.stage, subject.request_id, subject.model, subject.route) == (
        "input",
        "req-1",
        "demo",
        "/v1/chat/completions",
    )
    assert subject.principal == own.principal
    assert not unconcerned.seen
    assert not answers_only.seen


def test_what_a_policy_demands_judges_in_any_case() -> None:
    """Also one that is off by default, and one that would not be concerned."""
    off = Watchman("bomb", default_on=False)
    unconcerned = Watchman("war", concerned=False)
    stage = guarding(off=off, unconcerned=unconcerned)
    entered(stage, work(TextPrompt("bomb and war")))
    for name in ("off", "unconcerned"):
        with pytest.raises(ContentBlocked):
            entered(stage, work(TextPrompt("bomb and war")), Obligations(guardrails=(name,)))


def test_a_demanded_guardrail_that_is_not_there_refuses() -> None:
    """Nobody can say that the text may pass; also where there is none at all."""
    for stage in (guarding(), guarding(one=Watchman("x"))):
        with pytest.raises(GuardrailFailed, match="'dlp'"):
            entered(stage, work(TextPrompt("hi")), Obligations(guardrails=("dlp",)))


def test_originals_come_back_and_the_context_knows_them() -> None:
    """Each text has a placeholder of its own."""
    own = context()
    stage = guarding(one=Watchman(r"\w+@\w+", "mask", "[MAIL_{n}]", restore=True, stages=frozenset({"input"})))
    guarded = entered(stage, work(TextPrompt("from a@b to c@d to a@b")), own=own)
    assert guarded.work.prompt == TextPrompt("from [MAIL_1] to [MAIL_2] to [MAIL_1]")
    assert own.masking is not None
    assert own.masking.restorable == {"[MAIL_1]": "a@b", "[MAIL_2]": "c@d"}
    assert own.masking.hidden("a@b, c@d") == "[MAIL_1], [MAIL_2]"
    reading = guarded.reading(None, own)
    assert reading is not None
    events = [*reading.read(TextDelta("to [MA", 1)), *reading.read(TextDelta("IL_2]", 1)), *reading.read(END)]
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "to c@d"


@pytest.mark.parametrize(
    ("prompt", "pattern", "replacement"),
    [
        ("a@b and [MAIL_1]", r"\w+@\w+", "[MAIL_{n}]"),
        ("a@b and c@d", r"\w+@\w+", "[MAIL]"),
        ('a"b', r'a"b', "[X]"),
        ("a\nb", r"a\nb", "[X]"),
        ("a@b", r"\w+@\w+", ""),
    ],
)
def test_what_would_be_ambiguous_does_not_come_back(prompt: str, pattern: str, replacement: str) -> None:
    """A placeholder that was there before, or stands for two things; nor what JSON would have to escape."""
    own = context()
    watchman = Watchman(pattern, "mask", replacement, restore=True, stages=frozenset({"input"}))
    guarded = entered(guarding(one=watchman), work(TextPrompt(prompt)), own=own)
    assert own.masking is not None
    assert own.masking.restorable == {}
    assert guarded.reading(None, own) is None


def test_a_mask_over_a_mask_stands_for_the_first_original() -> None:
    """What comes back is what the client has sent."""
    own = context()
    first = Watchman(r"\w+@\w+", "mask", "[MAIL_{n}]", restore=True)
    second = Watchman(r"to \[MAIL_1\]", "mask", "[WHERE]", restore=True)
    entered(guarding(one=first, two=second), work(TextPrompt("send to a@b")), own=own)
    assert own.masking is not None
    assert own.masking.restorable["[WHERE]"] == "to a@b"


def test_several_requests_of_one_call_are_known_together() -> None:
    """What is kept of the call has none of their originals; one placeholder stands for one thing."""
    own = context()
    stage = guarding(one=Watchman(r"\w+@\w+", "mask", "[MAIL]", restore=True, stages=frozenset({"input"})))
    first, second = (entered(stage, work(TextPrompt(text)), own=own) for text in ("a@b", "c@d"))
    reading = first.reading(None, own)
    assert reading is not None
    assert reading.read(TextDelta("to [MAIL]!", 1)) == [TextDelta("to a@b!", 1)]
    assert second.reading(None, own) is None
    assert own.masking is not None
    assert own.masking.hidden("a@b c@d") == "[MAIL] [MAIL]"


def test_without_guardrails_for_answers_these_are_told_as_they_are() -> None:
    """By whatever reads them otherwise, and at no cost."""
    guarded = entered(guarding(one=Watchman("x", stages=frozenset({"input"}))), work(TextPrompt("hi")))
    assert guarded.reading(None, context()) is None


def test_what_masks_or_blocks_is_recorded_and_counted_once() -> None:
    """However often it is found; what lets pass is not, but policies are told of it."""
    witness = Witness()
    own = context()
    own.model = "demo"
    seeing = Watchman("bomb", "pass")
    guarded = entered(guarding(witness, eye=seeing, mask=masker()), work(TextPrompt("bomb bomb")), own=own)
    assert [finding.action for finding in guarded.findings] == ["mask"]
    [event] = witness.events
    assert (event.kind, event.action, event.outcome, event.reason) == ("guardrail", "input", "masked", "test/pattern")
    assert (event.resource, event.request_id, event.details["guardrail"]) == ("demo", "req-1", "mask")
    [observed] = witness.observed
    assert observed == GuardrailActed(
        guardrail="mask", stage="input", category="test", code="pattern", action="masked", model="demo"
    )
    with pytest.raises(ContentBlocked):
        entered(guarding(witness, block=Watchman("bomb")), work(TextPrompt("bomb")), own=own)
    assert [each.outcome for each in witness.events] == ["masked", "blocked"]
    reading = entered(guarding(witness, out=QuickWatchman("bomb")), work(TextPrompt("hi")), own=own).reading(None, own)
    assert reading is not None
    reading.read(TextDelta("bomb, bomb and bomb again, and so on", 9))
    assert [(each.action, each.outcome) for each in witness.events][2:] == [("output", "blocked")]


class TokenReader:
    """Says what tokens are."""

    def __init__(self, stage: Guarding, text: str) -> None:
        self.asked: list[tuple[int, ...]] = []
        self._text = text
        stage._asked.text_of = self.read  # type: ignore[method-assign]

    async def read(self, context: object, model: str, tokens: tuple[int, ...]) -> str:
        """Always the same."""
        self.asked.append(tokens)
        return self._text


@pytest.mark.parametrize(
    "request_", [work(TokenPrompt((1, 2))), PoolRequest(model="demo", task="embed", inputs=(TokenPrompt((1, 2)),))]
)
def test_prompts_of_tokens_are_judged_as_the_worker_reads_them(request_: Any) -> None:
    """They pass as they are, or not at all."""
    stage = guarding(one=Watchman("bomb"), two=Watchman("joe", "mask"))
    reader = TokenReader(stage, "peace")
    assert entered(stage, request_).work == request_
    assert reader.asked == [(1, 2)]
    TokenReader(stage, "a bomb")
    with pytest.raises(ContentBlocked, match="test"):
        entered(stage, request_)
    TokenReader(stage, "for joe")
    with pytest.raises(ContentBlocked, match="send it as text"):
        entered(stage, request_)


def test_moderation_says_what_is_found() -> None:
    """Of all categories, and of each text by itself; nothing is recorded."""
    witness = Witness()
    stage = guarding(witness, one=Watchman("bomb"), two=masker(concerned=False))

    async def moderate() -> Any:
        return await stage.moderate(context(), ["a bomb", "peace"])

    first, second = asyncio.run(moderate())
    assert (first.flagged, first.categories, first.scores) == (True, {"test": True}, {"test": 1.0})
    assert (second.flagged, second.categories, second.scores) == (False, {"test": False}, {"test": 0.0})
    assert not witness.events


@pytest.mark.parametrize(
    "guardrails", [{}, {"one": Watchman("x", concerned=False)}, {"one": Watchman("x", default_on=False)}]
)
def test_moderation_needs_a_guardrail(guardrails: dict[str, Watchman]) -> None:
    """One that is on, for this caller."""
    with pytest.raises(UnsupportedField):
        asyncio.run(guarding(None, **guardrails).moderate(context(), ["hi"]))


def test_all_are_closed_also_where_one_fails() -> None:
    """It is logged by name."""

    class Stuck(Watchman):
        async def close(self) -> None:
            raise OSError("no")

    last = Watchman("x")
    asyncio.run(guarding(one=Stuck("x"), two=last).close())
    assert last.closed


def test_one_that_says_nothing_of_itself_refuses_the_start() -> None:
    """And is named."""
    with pytest.raises(PluginError, match="guardrail odd"):
        guarding(odd=object())  # type: ignore[arg-type]  # what a stranger's plugin may do


def test_texts_of_other_channels_are_nobodys() -> None:
    """A guardrail gets those of its own, and its verdicts go with them."""
    watchman = Watchman("bomb", "mask", "#", channels=frozenset({"arguments"}))
    guarded = entered(guarding(one=watchman), work(CHAT))
    assert {text.channel for text in watchman.seen} == {"arguments"}
    assert guarded.work.prompt.messages[0].content == "be a bomb"
    assert "bomb" not in guarded.work.prompt.messages[2].tool_calls[0].arguments


def test_one_that_breaks_when_it_is_asked_whom_it_judges_refuses() -> None:
    """Nobody can tell then."""

    class Torn(Watchman):
        def concerns(self, subject: object) -> bool:
            raise ZeroDivisionError

    with pytest.raises(GuardrailFailed):
        entered(guarding(one=Torn("x")), work(TextPrompt("hi")))
