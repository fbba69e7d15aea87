"""A whole worker over a socketpair, without the process: what a gateway says, and what it hears."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec
import pytest
from tests.kernel.worker.conversations import asked

from jackfield import build_kernel
from jackfield.channel.local import PeerGone
from jackfield.channel.messages import Cancel, RequestFailed
from jackfield.errors import ManifestError, ModelLoadError, PluginError
from jackfield.manifest import InstanceRef
from jackfield.types import Finished, Prompt, Started, TextDelta, TextPrompt, TokenPrompt
from jackfield.worker.host import WorkerHost

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.kernel.worker.conftest import Peer

    from jackfield.channel import messages
    from jackfield.manifest import Manifest
    from jackfield.ports.backend import OptionValue


class MakeManifest(Protocol):
    """Makes manifests of one scripted model."""

    def __call__(self, **model: object) -> Manifest:
        """With these fields of ``[models.m]``."""
        ...


def _text(events: list[messages.SequenceEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def _failure(events: list[messages.SequenceEvent]) -> RequestFailed:
    last = events[-1]
    assert isinstance(last, RequestFailed), last
    return last


def test_a_chat(peer: Peer) -> None:
    """Started with the exact prompt length and its end, then text, then the end."""
    peer.submit(1, asked("[say:hi there]"))
    events = peer.until_end(1)
    text = "<user>[say:hi there]\n<assistant>"
    assert events[0] == Started(len(text), 100, text)
    assert _text(events) == "hi there"


def test_raw_text_and_token_prompts(peer: Peer) -> None:
    """Completions use the text, or the ids, as they are."""
    peer.submit(1, TextPrompt("[say:text]"))
    peer.submit(2, TokenPrompt(tuple(b"[say:ids]")))
    assert _text(peer.until_end(1)) == "text"
    assert _text(peer.until_end(2)) == "ids"


@pytest.mark.parametrize(
    ("prompt", "code", "param"),
    [
        (asked("x" * 512), "context_length_exceeded", "messages"),
        (TextPrompt("x" * 512), "context_length_exceeded", "prompt"),
        (TextPrompt("x" * 2_000_000), "context_length_exceeded", "prompt"),
        (asked("x" * 2_000_000), "context_length_exceeded", "messages"),
        (TextPrompt(""), "invalid_value", "prompt"),
        (TokenPrompt((1, 257)), "invalid_value", "prompt[1]"),
        (TokenPrompt((-1,)), "invalid_value", "prompt[0]"),
    ],
    ids=["chat", "text", "huge-text", "huge-chat", "empty", "unknown-id", "negative-id"],
)
def test_a_prompt_that_cannot_be_served_is_refused(peer: Peer, prompt: Prompt, code: str, param: str) -> None:
    """Refused before it is started, with the field's name; the worker serves on."""
    peer.submit(1, prompt)
    failed = _failure(peer.until_end(1))
    assert (failed.error.code, failed.error.param) == (code, param)
    peer.submit(2, asked("[say:still here]"))
    assert _text(peer.until_end(2)) == "still here"


def test_a_prompt_that_just_fits_runs_to_the_context(peer: Peer) -> None:
    """Prompt + max_tokens beyond the context runs, and ends with ``length`` at the limit."""
    peer.submit(1, TextPrompt("x" * 510), max_tokens=50)
    events = peer.until_end(1)
    assert events[0] == Started(510, 2)
    last = events[-1]
    assert isinstance(last, Finished)
    assert (last.reason, last.usage.completion_tokens) == ("length", 2)


def test_ignore_eos_runs_to_the_limit(peer: Peer) -> None:
    """End tokens are never drawn."""
    peer.submit(1, asked("[say:a]"), max_tokens=5, ignore_eos=True)
    assert _text(peer.until_end(1)) == "a...."


def test_cancel_ends_silently_and_frees_the_slot(peer: Peer) -> None:
    """After ``Cancel`` others run in the slot, and no event of the cancelled one follows the next request's end."""
    peer.submit(1, asked("[delay:1][repeat:400:a]"), max_tokens=400)
    peer.submit(2, asked("[delay:1][repeat:400:b]"), max_tokens=400)
    peer.until_text(1)
    peer.messages.send(Cancel(1))
    peer.messages.send(Cancel(77))
    peer.submit(3, asked("[say:third]"))
    assert _text(peer.until_end(3)) == "third"
    assert not isinstance(peer.events[1][-1], Finished | RequestFailed)


def test_a_gateway_that_goes_cancels_its_requests_and_no_others(
    host: WorkerHost, peer: Peer, connect: Callable[[WorkerHost], Peer]
) -> None:
    """End-of-file from one gateway frees its slots; the other gateway's stream goes on."""
    other = connect(host)
    other.submit(1, asked("[delay:1][repeat:400:a]"), max_tokens=400)
    peer.submit(1, asked("[delay:1][repeat:200:b]"), max_tokens=300)
    other.until_text(1)
    other.messages.close()
    peer.submit(2, asked("[say:took the slot]"))
    assert _text(peer.until_end(2)) == "took the slot"
    assert _text(peer.until_end(1)) == "b" * 200


@pytest.mark.parametrize(
    "garbage", [b"\xff\xff\xff\xff", b"\0\0\0\x03abc", b"\0\0\0\x01\xc0"], ids=["huge", "no-msgpack", "no-message"]
)
def test_a_gateway_that_talks_nonsense_is_cut_off(
    host: WorkerHost, peer: Peer, connect: Callable[[WorkerHost], Peer], garbage: bytes
) -> None:
    """The connection is closed; the worker and other gateways are unharmed."""
    other = connect(host)
    other.raw.sendall(garbage)
    with pytest.raises(PeerGone):
        other.until_end(99)
    other.messages.close()
    peer.submit(1, asked("[say:fine]"))
    assert _text(peer.until_end(1)) == "fine"


def test_stats_reach_the_gateway(peer: Peer) -> None:
    """The loop reports when it comes to rest."""
    peer.submit(1, asked("[say:abc]"))
    peer.until_end(1)
    while not peer.stats or peer.stats[-1].running:
        peer.receive()
    assert peer.stats[-1].generated_tokens == 4


def test_a_gateway_that_does_not_read_gets_everything_later(peer: Peer) -> None:
    """A slow reader costs memory up to a bound, never an event and never the loop."""
    for number in range(40):
        peer.submit(number, asked("[repeat:300:x]"), max_tokens=400)
    for number in range(40):
        assert _text(peer.until_end(number)) == "x" * 300


def test_a_model_that_does_not_load_says_why(manifest: MakeManifest) -> None:
    """The file's base name, not its path."""
    host = WorkerHost(build_kernel(manifest(source="/no/such/place/model.gguf")), "m")
    with pytest.raises(ModelLoadError, match=r"^model\.gguf: "):
        host.load(lambda _: None)


def test_a_backend_nobody_hands_over_is_named_with_a_suggestion(manifest: MakeManifest) -> None:
    """A misspelt backend is a manifest error at its key."""
    host = WorkerHost(build_kernel(manifest(backend="scriptet")), "m")
    with pytest.raises(ManifestError, match="did you mean scripted") as caught:
        host.load(lambda _: None)
    assert caught.value.param == "models.m.backend"


@pytest.mark.parametrize(
    ("factory", "text"),
    [
        ("dict", r"^scheduler odd: its factory made dict, which has no plan\(\)"),
        ("lambda: 1 / 0", "^plugin odd: its factory of odd .* raised ZeroDivisionError"),
    ],
)
def test_a_scheduler_that_cannot_plan_is_refused(
    tmp_path: Path, manifest: MakeManifest, factory: str, text: str
) -> None:
    """At the start: a worker that dies at its first request would be restarted for ever."""
    plugin = tmp_path / "odd.py"
    head = "from jackfield import hookimpl\n@hookimpl\ndef jackfield_schedulers(instance):\n"
    plugin.write_text(f"{head}    return {{instance.name: {factory}}}\n")
    normal = manifest()
    enabled = (InstanceRef("odd", str(plugin)), normal.enabled[1])
    host = WorkerHost(build_kernel(msgspec.structs.replace(normal, enabled=enabled)), "m")
    with pytest.raises(PluginError, match=text):
        host.load(lambda _: None)


def test_new_options_of_the_scheduler_are_taken_over(manifest: MakeManifest) -> None:
    """Where they have changed and can be used; the error of those that cannot names the key, and changes nothing."""
    normal = manifest()
    enabled = (InstanceRef("mine", "fair"), normal.enabled[-1])
    start = msgspec.structs.replace(normal, enabled=enabled, config={"mine": {"ageing_s": 5}})
    host = WorkerHost(build_kernel(start), "m")
    host.load(lambda _: None)

    def offer(**table: OptionValue) -> bool:
        return host.reconfigure(msgspec.structs.replace(start, config={"mine": table} if table else {}))

    assert host.scheduler == "mine"
    assert not offer(ageing_s=5)
    with pytest.raises(ManifestError, match=r"config\.mine.*slice_tokens"):
        offer(ageing_s=5, slice_tokens=0)
    assert not offer(ageing_s=5)
    assert offer(ageing_s=6)
    assert offer()
    assert not offer()
    host.stop()
    host.run()


@pytest.mark.parametrize("options", [{"refus": True}, {"refuse": "yes"}])
def test_model_options_are_checked(manifest: MakeManifest, options: dict[str, OptionValue]) -> None:
    """``[models.m.options]`` overrides the backend's table, and is checked like it."""
    host = WorkerHost(build_kernel(manifest(options=options)), "m")
    with pytest.raises(ManifestError, match=r"models\.m\.options"):
        host.load(lambda _: None)
