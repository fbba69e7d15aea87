"""What whoever asked is told besides text: how far the prompt is, which tokens were drawn, in which slot."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import msgspec
from tests.kernel.worker.engines import Asker, Engine, Unsteady, load, question

from jackfield.types import Finished, PromptProgress, TextDelta, TextPrompt

if TYPE_CHECKING:
    from tests.kernel.worker.conftest import Peer

TEXT = "The studio has a panel of sockets that every device is plugged into. " * 4


def progress(asker: Asker) -> list[PromptProgress]:
    """What it was told of its prompt."""
    return [event for event in asker.events if isinstance(event, PromptProgress)]


def test_progress_of_a_prompt() -> None:
    """From its begin to its end, in rising steps, before any text; a cached part counts from the begin."""
    runner = load("demo", batch=32)
    with Engine(runner) as engine:
        asked = msgspec.structs.replace(question(TEXT), progress=True)
        (asker,) = engine.ask(asked)
        (again,) = engine.ask(asked)
        (silent,) = engine.ask(question(TEXT))
    news = progress(asker)
    total = asker.ends[0].usage.prompt_tokens
    assert [each.computed_tokens for each in news] == [*range(0, total, 32), total]
    assert {(each.prompt_tokens, each.cached_tokens, each.index) for each in news} == {(total, 0, 0)}
    assert all(first.elapsed_s <= second.elapsed_s for first, second in itertools.pairwise(news))
    assert asker.events.index(news[-1]) < next(
        place for place, event in enumerate(asker.events) if isinstance(event, TextDelta)
    )
    cached = again.ends[0].usage.cached_tokens
    assert cached
    assert [(each.cached_tokens, each.computed_tokens) for each in progress(again)] == [
        (cached, cached),
        (cached, total),
    ]
    assert not progress(silent)
    runner.close()


def test_the_begin_is_sent_before_anything_is_computed() -> None:
    """A step may take seconds."""
    runner = load("demo", batch=32)
    sent: list[int] = []

    def flush() -> None:
        for sequence in engine.loop.table.running:
            asker = sequence.request.recipient
            assert isinstance(asker, Asker)
            sent.append(len(progress(asker)))

    with Engine(runner, flush=flush) as engine:
        engine.ask(msgspec.structs.replace(question(TEXT), progress=True))
    assert sent[:2] == [1, 2]
    runner.close()


def test_preemptions_are_no_news() -> None:
    """What is computed anew is not told again."""
    runner = load("demo", batch=32)
    asked = [msgspec.structs.replace(question(f"{n} {TEXT}", cached=False), progress=True) for n in range(3)]
    with Engine(runner, Unsteady()) as engine:
        askers = engine.ask(*asked)
        computed = engine.loop.clock.prompt_tokens
    assert computed > sum(asker.ends[0].usage.prompt_tokens for asker in askers)
    for asker in askers:
        told = [each.computed_tokens for each in progress(asker)]
        assert told == sorted(set(told))
    runner.close()


def test_token_ids_without_log_probabilities(peer: Peer) -> None:
    """They cost no scores."""
    peer.chat(1, "[say:ab]", token_ids=True)
    assert peer.text(1) == "ab"
    scores = [score for event in peer.events[1] if isinstance(event, TextDelta) for score in event.logprobs]
    assert [(score.token, score.piece, score.logprob, score.top) for score in scores] == [
        (ord("a"), b"a", None, ()),
        (ord("b"), b"b", None, ()),
    ]


def test_slots_that_are_wanted(peer: Peer) -> None:
    """A free one is given, else another; one that is not there is refused."""
    peer.chat(1, "[say:a]", slot=1)
    assert peer.end(1).slot == 1
    peer.chat(2, "[say:a]")
    assert peer.end(2).slot == 0
    peer.chat(3, "[delay:20][repeat:400:a]", slot=1, max_tokens=400)
    peer.until_text(3)
    peer.chat(4, "[say:a]", slot=1)
    assert peer.end(4).slot == 0
    peer.chat(5, "hi", slot=2)
    assert peer.failure(5) == ("invalid_value", "id_slot")
    assert peer.end(3).slot == 1


def test_several_answers_have_several_slots(peer: Peer) -> None:
    """The first one has the wanted one."""
    peer.chat(1, "[say:a]", n=2, slot=1)
    ends = {event.index: event.slot for event in peer.until_end(1, 2) if isinstance(event, Finished)}
    assert ends == {0: 1, 1: 0}


def test_control_tokens_in_texts() -> None:
    """Read as such where that is asked for, as text else."""
    runner = load("demo")
    (name,) = [runner.tokenizer.name(token).decode() for token in sorted(runner.tokenizer.end_tokens)][:1]
    with Engine(runner) as engine:
        text, control = (
            engine.ask(msgspec.structs.replace(question(""), prompt=TextPrompt(f"a{name}", parse_special=parse)))[0]
            for parse in (False, True)
        )
    assert control.ends[0].usage.prompt_tokens == 2
    assert text.ends[0].usage.prompt_tokens > 2
    runner.close()
