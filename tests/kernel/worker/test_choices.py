"""Several answers to one request: each its own, and all of them one request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jackfield.channel.messages import Cancel, RequestFailed
from jackfield.sampling import SamplingParams
from jackfield.types import Finished, Started, TextDelta
from jackfield.worker.engine.sequence import Draws, Ends, PreparedRequest

if TYPE_CHECKING:
    from tests.kernel.worker.conftest import Peer, Serve


def test_each_answer_has_its_events(serve: Serve) -> None:
    """One start, then text and one end for each, by index; each end has the prompt's tokens and its own."""
    peer = serve(max_sequences=4)
    peer.chat(1, "[say:hello]", n=4)
    events = peer.until_end(1, answers=4)
    assert [type(event) for event in events].count(Started) == 1
    for index in range(4):
        assert peer.text(1, index) == "hello"
    ends = {event.index: event.usage for event in events if isinstance(event, Finished)}
    assert sorted(ends) == [0, 1, 2, 3]
    assert {usage.prompt_tokens for usage in ends.values()} == {len("<user>[say:hello]\n<assistant>")}
    assert {usage.completion_tokens for usage in ends.values()} == {6}


def test_the_prompt_of_several_answers_is_computed_once(serve: Serve) -> None:
    """The first computes it; the others compute its last token, which each draws its first one from.

    All say what the request found computed when it came, which is nothing.
    """
    peer = serve(max_sequences=4)
    peer.chat(1, "A question of a certain length [say:hello]", n=4)
    ends = [event for event in peer.until_end(1, answers=4) if isinstance(event, Finished)]
    prompt = ends[0].usage.prompt_tokens
    assert [end.usage.cached_tokens for end in ends] == [0, 0, 0, 0]
    while not peer.stats or peer.stats[-1].generated_tokens < 4 * 6:
        peer.receive()
    assert peer.stats[-1].prompt_tokens == prompt + 3


def test_more_answers_than_the_model_computes_at_once_are_refused(peer: Peer) -> None:
    """400 that names ``n``; as many as there are slots are fine."""
    peer.chat(1, "[say:x]", n=3)
    assert peer.failure(1) == ("invalid_value", "n")
    peer.chat(2, "[say:x]", n=2)
    peer.until_end(2, answers=2)


def test_seeds_count_up() -> None:
    """Answer i is drawn with seed + i, around the end of the range."""
    draws = Draws(sampling=SamplingParams(seed=2**32 - 3))
    request = PreparedRequest(None, [1], draws=draws, ends=Ends(max_tokens=1, end_tokens=frozenset()), choices=3)  # type: ignore[arg-type]  # nobody is told
    assert [request.sampling(index).seed for index in range(3)] == [2**32 - 3, 2**32 - 2, 0]


def test_cancelling_ends_all_answers(peer: Peer) -> None:
    """Both slots are free again, and nothing more is said."""
    peer.chat(1, "[delay:1][repeat:400:a]", n=2, max_tokens=400)
    peer.until_text(1)
    peer.messages.send(Cancel(1))
    peer.chat(2, "[say:next]", n=2)
    peer.until_end(2, answers=2)
    assert [peer.text(2, index) for index in range(2)] == ["next", "next"]
    assert not any(isinstance(event, Finished | RequestFailed) for event in peer.events[1])


def test_a_failure_ends_all_answers_and_is_said_once(serve: Serve) -> None:
    """The request fails as a whole; others go on."""
    peer = serve(max_sequences=4)
    peer.chat(1, "[fail:3][repeat:30:b]", n=3)
    peer.chat(2, "[repeat:30:a]")
    assert peer.failure(1) == ("backend_fault", None)
    assert peer.text(2) == "a" * 30
    assert sum(isinstance(event, RequestFailed) for event in peer.events[1]) == 1


@pytest.mark.parametrize("count", [2, 4])
def test_answers_that_outgrow_the_pool_are_computed_again(serve: Serve, count: int) -> None:
    """Preempted answers give the same text, each once."""
    peer = serve(max_sequences=4, context=160, kv_tokens=170)
    peer.chat(1, "[repeat:90:z]", n=count, max_tokens=120)
    events = peer.until_end(1, answers=count)
    assert [peer.text(1, index) for index in range(count)] == ["z" * 90] * count
    assert sum(event.tokens for event in events if isinstance(event, TextDelta)) == count * 91 - count
    while not peer.stats or peer.stats[-1].running:
        peer.receive()
    assert peer.stats[-1].preemptions > 0
