"""Answers that must look like something: in the batch, with all that requests may ask for besides."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING

import msgspec
import pytest
from structlog.testing import capture_logs

from jackfield import build_kernel
from jackfield.channel.messages import Cancel, RequestFailed
from jackfield.errors import PluginError
from jackfield.manifest import InstanceRef
from jackfield.ports.constraint import Choice, GrammarText, JsonObject, Pattern
from jackfield.sampling import LogitBias, SamplingParams
from jackfield.testing import scripted_constraints
from jackfield.testing.scripted import DUE
from jackfield.types import Finished, TextDelta, TextPrompt
from jackfield.worker.host import WorkerHost

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.kernel.worker.conftest import Peer

    from jackfield.manifest import Manifest

ENGINE = InstanceRef("choices", scripted_constraints.__file__)

COLOURS = Choice(("red", "green", "blue"))

NEVER = -math.inf


@pytest.fixture
def constrained(manifest: Callable[..., Manifest], running: Callable[[WorkerHost], Peer]) -> Callable[..., Peer]:
    """Starts workers with the engine of choices."""

    def start(**model: object) -> Peer:
        return running(_loaded(manifest(**model), ENGINE))

    return start


@pytest.fixture
def peer(constrained: Callable[..., Peer]) -> Peer:
    """A gateway connected to one."""
    return constrained()


def _loaded(manifest: Manifest, engine: InstanceRef) -> WorkerHost:
    host = WorkerHost(build_kernel(msgspec.structs.replace(manifest, enabled=(*manifest.enabled, engine))), "m")
    host.load(lambda _: None)
    return host


@pytest.fixture
def mask_threads() -> Callable[[], int]:
    """How many mask threads were started since; servers of other tests may still have theirs."""
    before = {*threading.enumerate()}
    return lambda: sum(thread.name == "masks" for thread in {*threading.enumerate()} - before)


@pytest.mark.parametrize(
    ("script", "choices", "fields", "text", "reason", "tokens"),
    [
        pytest.param("green", COLOURS.choices, {}, "green", "stop", 5, id="complete without an end token"),
        pytest.param("purple", COLOURS.choices, {}, "blue", "stop", 4, id="what the model wants is not allowed"),
        pytest.param("yes", ("yes", "yes!"), {}, "yes", "stop", 4, id="drawn end token"),
        pytest.param("yes!", ("yes", "yes!"), {}, "yes!", "stop", 4, id="goes on where it might have ended"),
        pytest.param("x", ("abcdef",), {}, "abcdef", "stop", 6, id="forced from the first token"),
        pytest.param("x", ("€uro",), {}, "€uro", "stop", 6, id="characters of several tokens"),
        pytest.param("x", ("abcdef",), {"max_tokens": 3}, "abc", "length", 3, id="limit among forced tokens"),
        pytest.param("x", ("abcdef",), {"max_tokens": 6}, "abcdef", "stop", 6, id="complete at the limit"),
        pytest.param("x", ("abcdef",), {"stop": ("cd",)}, "ab", "stop", 4, id="stop string among forced tokens"),
        pytest.param("x", ("abcdef",), {"stop": ("efg",)}, "abcdef", "stop", 6, id="begun stop string is text"),
        pytest.param("x", ("abcdef",), {"stop_token_ids": (ord("c"),)}, "ab", "stop", 3, id="forced stop token"),
        pytest.param("x", ("ab",), {"min_tokens": 9}, "ab", "stop", 2, id="least length beyond the text"),
        pytest.param(
            "ab",
            ("ab", "abc"),
            {"min_tokens": 9, "logit_bias": (LogitBias("c", NEVER),)},
            "ab",
            "stop",
            2,
            id="nothing but the end, which is banned for now",
        ),
        pytest.param("ab", ("ab", "abc"), {"min_tokens": 3}, "abc", "stop", 3, id="least length prolongs"),
        pytest.param("ab", ("ab", "abc"), {"ignore_eos": True}, "abc", "stop", 3, id="no end token"),
        pytest.param(
            "ab", ("aa", "ab"), {"logit_bias": (LogitBias("b", -100),)}, "aa", "stop", 2, id="bias among the allowed"
        ),
        pytest.param(
            "x",
            ("abcb",),
            {"sampling": SamplingParams(presence_penalty=1, temperature=0)},
            "abcb",
            "stop",
            4,
            id="penalties",
        ),
    ],
)
def test_answers(
    peer: Peer,
    script: str,
    choices: tuple[str, ...],
    fields: dict[str, object],
    text: str,
    reason: str,
    tokens: int,
) -> None:
    """One of the texts, or what a limit or stop string leaves of it."""
    peer.chat(1, f"[say:{script}]", constraint=Choice(choices), **fields)
    assert peer.text(1) == text
    end = peer.end(1)
    assert (end.reason, end.usage.completion_tokens) == (reason, tokens)
    assert sum(event.tokens for event in peer.events[1] if isinstance(event, TextDelta)) <= tokens


def test_forced_tokens_are_computed_together(peer: Peer) -> None:
    """A step draws the first token, and the next one computes all that must follow; nothing is drawn in vain."""
    peer.chat(1, "[say:x]", constraint=Choice(("a" * 40 + "b", "a" * 40 + "c")))
    assert peer.text(1) == "a" * 40 + "b"
    peer.chat(2, "[say:x]", constraint=Choice(("a" * 40 + "b", "a" * 40 + "c")), logprobs=0)
    assert peer.text(2) == "a" * 40 + "b"
    peer.until_end(2)
    while peer.stats[-1].generated_tokens < 82:
        peer.receive()
    assert peer.stats[-1].steps == 2 + 41


def test_log_probabilities_are_of_what_the_model_wanted(peer: Peer) -> None:
    """Each token of the answer has one, by the logits as the model gave them."""
    peer.chat(1, "[say:zz]", constraint=Choice(("abc",)), logprobs=1)
    events = peer.until_end(1)
    entries = [entry for event in events if isinstance(event, TextDelta) for entry in event.logprobs]
    assert b"".join(entry.piece for entry in entries) == b"abc"
    assert [entry.top[0].piece for entry in entries] == [b"z", b"z", b"<end>"]
    assert all(entry.logprob is not None and entry.logprob < -DUE for entry in entries)


def test_each_answer_has_its_own_place_in_the_grammar(constrained: Callable[..., Peer]) -> None:
    """Several answers, an echo, and others that are under no constraint, in the same steps."""
    peer = constrained(max_sequences=6)
    for number in range(0, 30, 2):
        peer.chat(number, "[say:green]", constraint=COLOURS, n=2)
        peer.chat(number + 1, "[say:anything]", echo=True)
    for number in range(0, 30, 2):
        peer.until_end(number, answers=2)
        assert [peer.text(number, index) for index in range(2)] == ["green", "green"]
        assert peer.text(number + 1) == "<user>[say:anything]\n<assistant>anything"


def test_a_preempted_answer_goes_on_where_it_stood(constrained: Callable[..., Peer]) -> None:
    """The pool is too short for all at once: what is computed anew is not accepted anew."""
    peer = constrained(context=180, kv_tokens=180, max_sequences=4)
    texts = {number: str(number) * 60 for number in range(4)}
    for number, text in texts.items():
        choices = tuple(text[:place] + "!" for place in range(1, 60))
        peer.chat(number, f"[say:{text}]", constraint=Choice((text, *choices)))
    assert {number: peer.text(number) for number in texts} == texts
    while not any(stats.preemptions for stats in peer.stats):  # a stream that never says so times out
        peer.receive()


def test_cancelling_ends_it(peer: Peer) -> None:
    """The slot is free again, and nothing more is said."""
    peer.chat(1, "[delay:1][repeat:400:a]", constraint=Choice(("a" * 400, "b")), logprobs=0, max_tokens=400)
    peer.until_text(1)
    peer.messages.send(Cancel(1))
    peer.chat(2, "[say:green]", constraint=COLOURS, n=2)
    peer.until_end(2, answers=2)
    assert not any(isinstance(event, Finished | RequestFailed) for event in peer.events[1])


def test_context_shift_goes_on_in_the_grammar(constrained: Callable[..., Peer]) -> None:
    """An answer longer than the context, most of it forced."""
    text = "ab" * 100
    peer = constrained(context=64, context_shift=True)
    peer.chat(1, "[say:x]", constraint=Choice((text + "c", text + "d")), max_tokens=300)
    assert peer.text(1) == text + "c"


def test_nothing_left_to_draw_is_the_requests_fault(peer: Peer) -> None:
    """400; others go on."""
    peer.chat(1, "[say:a]", constraint=Choice(("ab",)), logit_bias=(LogitBias("b", NEVER),))
    peer.chat(2, "[say:green]", constraint=COLOURS)
    assert peer.failure(1) == ("nothing_to_draw", None)
    assert peer.text(2) == "green"


def test_the_thread_lives_as_long_as_it_is_needed(
    manifest: Callable[..., Manifest], connect: Callable[[WorkerHost], Peer], mask_threads: Callable[[], int]
) -> None:
    """From the first constrained request until the worker ends; waiting for it is counted."""
    host = _loaded(manifest(), ENGINE)
    thread = threading.Thread(target=host.run)
    thread.start()
    try:
        peer = connect(host)
        peer.chat(1, "[say:free]")
        assert peer.text(1) == "free"
        assert mask_threads() == 0
        peer.chat(2, "[say:green]", constraint=COLOURS)
        assert peer.text(2) == "green"
        assert mask_threads() == 1
        while not peer.stats[-1].mask_s:
            peer.receive()
        stats = peer.stats[-1]
        assert stats.own_s + stats.mask_s + stats.sampler_s <= stats.step_s
    finally:
        host.stop()
        thread.join(10)
    assert mask_threads() == 0


# --- refusals and faults --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("constraint", [COLOURS, Pattern("a+"), JsonObject()])
def test_without_an_engine_constraints_are_refused(
    host: WorkerHost, running: Callable[[WorkerHost], Peer], constraint: Choice | Pattern | JsonObject
) -> None:
    """400 that names the client's field; the model serves all else."""
    peer = running(host)
    peer.chat(1, "[say:x]", constraint=constraint)
    assert peer.failure(1) == ("unsupported_parameter", constraint.param)
    peer.chat(2, "[say:fine]")
    assert peer.text(2) == "fine"


def test_a_pooled_model_refuses_them(constrained: Callable[..., Peer]) -> None:
    """It writes nothing that could look like anything."""
    peer = constrained(options={"tasks": ["embed"]})
    peer.submit(1, TextPrompt("x"), constraint=COLOURS)
    assert peer.failure(1) == ("unsupported_parameter", "model")


def test_what_the_engine_refuses_is_the_clients_fault(peer: Peer) -> None:
    """With the field that the constraint came from."""
    peer.chat(1, "[say:x]", constraint=Pattern("a+", "response_format.regex"))
    assert peer.failure(1) == ("unsupported_parameter", "response_format.regex")


@pytest.mark.parametrize("method", ["kept", "compile", "matcher"])
def test_an_engine_that_breaks_costs_one_request(peer: Peer, method: str) -> None:
    """The log names it; the client learns nothing of it."""
    with capture_logs() as logs:
        peer.chat(1, "[say:x]", constraint=GrammarText("lark", f"[crash:{method}]a"))
        assert peer.failure(1) == ("backend_fault", None)
    assert [entry["plugin"] for entry in logs if "constraint" in entry["event"]] == ["choices"]
    peer.chat(2, "[say:green]", constraint=COLOURS)
    assert peer.text(2) == "green"


@pytest.mark.parametrize("method", ["kept", "compile", "matcher", "mask", "accept", "forced"])
def test_a_fault_of_a_matcher_costs_one_request(constrained: Callable[..., Peer], method: str) -> None:
    """Those in the same steps go on."""
    peer = constrained(max_sequences=4)
    peer.chat(1, "[delay:1][repeat:30:g]", constraint=Choice(("g" * 30, "h")), logprobs=0)
    peer.until_text(1)
    peer.chat(2, "[say:x]", constraint=GrammarText("lark", f"[fault:{method}]abc|abd"), n=2)
    assert peer.failure(2) == ("backend_fault", None)
    assert peer.text(1) == "g" * 30


@pytest.mark.parametrize("method", ["kept", "compile", "matcher", "mask", "accept", "forced"])
def test_a_constraint_that_turns_out_to_be_too_much_is_the_clients_fault(peer: Peer, method: str) -> None:
    """Whenever that is; others go on."""
    peer.chat(1, "[delay:1][repeat:30:g]", constraint=Choice(("g" * 30, "h")), logprobs=0)
    peer.until_text(1)
    peer.chat(2, "[say:x]", constraint=GrammarText("lark", f"[refuse:{method}]abc|abd"))
    assert peer.failure(2) == ("invalid_value", None)
    assert peer.text(1) == "g" * 30


@pytest.mark.parametrize("method", ["mask", "accept", "forced"])
def test_a_matcher_that_breaks_ends_the_worker_by_name(
    manifest: Callable[..., Manifest],
    connect: Callable[[WorkerHost], Peer],
    mask_threads: Callable[[], int],
    method: str,
) -> None:
    """Nobody knows what it would allow next; the worker is started again."""
    host = _loaded(manifest(), ENGINE)
    raised: list[BaseException] = []

    def run() -> None:
        try:
            host.run()
        except PluginError as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    peer = connect(host)
    peer.chat(1, "[say:x]", constraint=GrammarText("lark", f"[crash:{method}]abc"))
    assert peer.failure(1) == ("worker_died", None)
    thread.join(10)
    assert not thread.is_alive()
    assert mask_threads() == 0
    assert str(raised[0]).startswith(f"constraint engine choices: {method}() raised KeyError")


@pytest.mark.parametrize(
    ("factory", "text"),
    [
        ("lambda tokenizer: 7", r"^constraint engine odd: its factory made int, which has no compile\(\)"),
        (
            "lambda tokenizer: type('Half', (), {'compile': print})()",
            r"^constraint engine odd: its factory made Half, which has no kept\(\)",
        ),
        ("lambda tokenizer: 1 / 0", "^plugin odd: its factory of odd .* raised ZeroDivisionError"),
    ],
)
def test_an_engine_that_cannot_be_made_is_refused(
    tmp_path: Path, manifest: Callable[..., Manifest], factory: str, text: str
) -> None:
    """At the start, by name."""
    plugin = tmp_path / "odd.py"
    head = "from jackfield import hookimpl\n@hookimpl\ndef jackfield_constraints(instance):\n"
    plugin.write_text(f"{head}    return {{instance.name: {factory}}}\n")
    with pytest.raises(PluginError, match=text):
        _loaded(manifest(), InstanceRef("odd", str(plugin)))
