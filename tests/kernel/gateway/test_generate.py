"""A request's walk: HTTP in, worker, HTTP out, and every way in which it ends early."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from jackfield.channel.messages import RequestFailed, WorkerStatus
from jackfield.error_record import ErrorRecord
from jackfield.errors import ContextLengthExceeded
from jackfield.manifest import KernelConfig, ModelConfig
from jackfield.ports.observer import EngineStats, RequestEnded, WorkerChanged, WorkerReported
from jackfield.types import Finished, GenerateRequest, Started, TextDelta, TextPrompt, Timings, Usage

if TYPE_CHECKING:
    from tests.kernel.gateway.conftest import Notes, Serve, Served

STATS = EngineStats(1, 0, 10, 128, 5, 3, 2, 0, 0.1, 0.01, 0.001)


def test_answer_arrives_whole(served: Served) -> None:
    """A request without streaming gets the worker's text."""
    worker = served.worker()
    connection = served.begin(prompt="hello")
    submit = worker.answer("Hel", "lo")
    assert submit.request == GenerateRequest(model="demo", prompt=TextPrompt("hello"))
    response = connection.getresponse()
    assert (response.status, response.read()) == (200, b"Hello")
    assert response.getheader("x-request-id") == "mine-1"


def test_events_arrive_as_they_happen(served: Served) -> None:
    """A stream delivers each event before the next one happens."""
    worker = served.worker()
    connection = served.begin(stream=True)
    submit = worker.submitted()
    worker.send(submit.id, Started(3, 16), TextDelta("one", 1))
    response = connection.getresponse()
    assert response.getheader("x-request-id") == "mine-1"
    assert response.readline() == b"data: one\n"
    response.readline()
    worker.finish(submit.id, "two")
    assert response.read() == b"data: two\n\n"


def test_alias_names_the_model(served: Served) -> None:
    """A request may use an alias; it reaches the model's worker."""
    worker = served.worker()
    connection = served.begin(model="default")
    worker.answer("ok")
    assert connection.getresponse().read() == b"ok"


def test_unknown_model_is_404(served: Served) -> None:
    """A name nobody has is refused, and a long one is not repeated whole."""
    served.worker()
    response = served.begin(model="x" * 5000).getresponse()
    error = json.loads(response.read())
    assert (response.status, error["code"], error["param"]) == (404, "model_not_found", "model")
    assert len(error["message"]) < 200


@pytest.mark.parametrize(
    ("state", "reason", "status", "code", "retry"),
    [
        ("loading", "loading 43 %", 503, "model_not_ready", "2"),
        ("backoff", "restarting in 2.0 s", 503, "model_not_ready", "2"),
        ("failed", "tiny.gguf is damaged", 503, "model_load_failed", None),
    ],
)
def test_model_that_is_not_ready(
    served: Served, state: str, reason: str, status: int, code: str, retry: str | None
) -> None:
    """The refusal has the reason, and says whether a retry may help."""
    served.tell(WorkerStatus(model="demo", state=state, reason=reason))
    response = served.begin().getresponse()
    error = json.loads(response.read())
    assert (response.status, error["code"]) == (status, code)
    assert reason in error["message"]
    assert response.getheader("Retry-After") == retry
    assert response.getheader("x-should-retry") == (None if retry else "false")


def test_worker_refuses(served: Served) -> None:
    """What the worker refuses before it starts is an HTTP status."""
    worker = served.worker()
    connection = served.begin(stream=True)
    error = ErrorRecord.of(ContextLengthExceeded("too long", param="messages"))
    worker.send(worker.submitted().id, RequestFailed(error))
    response = connection.getresponse()
    assert (response.status, json.loads(response.read())["code"]) == (400, "context_length_exceeded")


def test_full_queue(served: Served) -> None:
    """Two run, one waits, the fourth is sent away with a delay; when one ends there is room again."""
    worker = served.worker()
    connections = [served.begin() for _ in range(3)]
    ids = [worker.submitted().id for _ in connections]
    response = served.begin().getresponse()
    assert (response.status, json.loads(response.read())["code"]) == (429, "queue_full")
    assert response.getheader("Retry-After") == "1"
    assert response.getheader("retry-after-ms") == "1000"
    worker.send(ids[0], Started(3, 16))
    worker.finish(ids[0], "done")
    assert connections[0].getresponse().read() == b"done"
    later = served.begin()
    ids.append(worker.submitted().id)
    for number in ids[1:]:
        worker.send(number, Started(3, 16))
        worker.finish(number)
    assert later.getresponse().status == 200


def test_dead_worker_fails_its_streams_only(serve: Serve) -> None:
    """One error event ends the stream of a dead worker; another model's goes on; a new worker serves again."""
    models = {name: ModelConfig(source=f"{name}.gguf") for name in ("demo", "other")}
    served = serve(models=models)
    worker, other = served.worker("demo"), served.worker("other")
    dying, living = served.begin(stream=True), served.begin(stream=True, model="other")
    submit, survivor = worker.submitted(), other.submitted()
    worker.send(submit.id, Started(3, 16), TextDelta("one", 1))
    other.send(survivor.id, Started(3, 16), TextDelta("one", 1))
    response = dying.getresponse()
    assert response.readline() == b"data: one\n"
    worker.close()
    assert response.read() == b"\nevent: error\ndata: worker_died\n\n"
    other.finish(survivor.id, "two")
    assert living.getresponse().read() == b"data: one\n\ndata: two\n\n"
    refused = served.begin().getresponse()
    assert (refused.status, json.loads(refused.read())["code"]) == (503, "model_not_ready")
    again = served.worker("demo")
    connection = served.begin()
    again.answer("back")
    assert connection.getresponse().read() == b"back"


def test_dead_worker_before_the_first_byte(served: Served) -> None:
    """A request that has not begun its answer gets 503, and may be retried."""
    worker = served.worker()
    connection = served.begin()
    worker.submitted()
    worker.close()
    response = connection.getresponse()
    assert (response.status, json.loads(response.read())["code"]) == (503, "worker_died")
    assert response.getheader("Retry-After") == "1"


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(b"\xff\xff\xff\xff", id="absurd length"),
        pytest.param(b"\x00\x00\x00\x02hi", id="no message"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="other protocol"),
    ],
)
def test_garbage_from_a_worker(served: Served, garbage: bytes) -> None:
    """A link that sends garbage is closed and its requests fail; nothing hangs."""
    worker = served.worker()
    connection = served.begin()
    worker.submitted()
    worker.raw.sendall(garbage)
    assert connection.getresponse().status == 503
    assert worker.raw.recv(1) == b""


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([TextDelta("x", 1)], id="text before start"),
        pytest.param([Finished("stop", Usage(1, 1), Timings(0, 0, 0))], id="end before start"),
        pytest.param([Started(1, 1), Started(1, 1)], id="two starts"),
    ],
)
def test_impossible_order_of_events(served: Served, events: list[Started | TextDelta | Finished]) -> None:
    """A worker that breaks the order of events is not trusted any more."""
    worker = served.worker()
    connection = served.begin()
    worker.send(worker.submitted().id, *events)
    assert connection.getresponse().status == 503
    assert worker.raw.recv(1) == b""


def test_late_events_are_ignored(served: Served) -> None:
    """Events of requests that nobody knows any more harm nobody."""
    worker = served.worker()
    worker.send(999, Started(1, 1), TextDelta("x", 1))
    connection = served.begin()
    worker.answer("ok")
    assert connection.getresponse().read() == b"ok"


@pytest.mark.parametrize("stream", [True, False])
def test_client_that_hangs_up(serve: Serve, notes: Notes, *, stream: bool) -> None:
    """The worker is told to stop, streaming or not, and the request is accounted as 499."""
    served = serve(observers={"notes": lambda: notes})
    worker = served.worker()
    connection = served.begin(stream=stream)
    submit = worker.submitted()
    worker.send(submit.id, Started(3, 16), TextDelta("one", 1))
    if stream:
        connection.getresponse().readline()
    assert connection.sock is not None
    connection.sock.close()
    connection.close()
    assert worker.cancelled() == submit.id
    served.until(lambda: any(isinstance(event, RequestEnded) for event in notes.events))
    ended = next(event for event in notes.events if isinstance(event, RequestEnded))
    assert (ended.status, ended.code, ended.model) == (499, "client_disconnected", "demo")
    if stream:  # what it had received was computed for it
        assert (ended.prompt_tokens, ended.completion_tokens) == (3, 1)


def test_replaced_link(served: Served) -> None:
    """A new connection replaces the one before; what ran there fails, what comes next is served."""
    first = served.worker()
    connection = served.begin()
    first.submitted()
    second = served.worker()
    assert connection.getresponse().status == 503
    later = served.begin()
    second.answer("new")
    assert later.getresponse().read() == b"new"


def test_slow_client_costs_its_text_only(served: Served) -> None:
    """Text that a client does not take is joined; it gets all of it in the end."""
    worker = served.worker()
    connection = served.begin()
    submit = worker.submitted()
    worker.send(submit.id, Started(3, 5000), *[TextDelta(f"{number} ", 1) for number in range(5000)])
    worker.finish(submit.id)
    assert connection.getresponse().read().split() == [str(number).encode() for number in range(5000)]


def test_model_cards(served: Served) -> None:
    """A card says what is known: the limits only once a worker has loaded the model."""
    before = json.loads(served.request("GET", "/models").read())
    assert before == [
        {
            "name": "demo",
            "aliases": ["default"],
            "created": 1_700_000_000,
            "ready": False,
            "context": None,
            "description": None,
            "info": None,
            "limits": None,
            "capabilities": None,
            "chat_template": None,
        }
    ]
    served.worker()
    served.tell(WorkerStatus(model="demo", state="backoff", reason="restarting"))
    after = json.loads(served.request("GET", "/models").read())
    assert (after[0]["ready"], after[0]["context"], after[0]["description"]) == (False, 64, "llama 2M")


def test_observers_are_told(serve: Serve, notes: Notes) -> None:
    """Requests, workers and engines: each has its event, with times and tokens."""
    served = serve(observers={"notes": lambda: notes})
    worker = served.worker()
    worker.report(STATS)
    connection = served.begin()
    worker.answer("a", "b")
    connection.getresponse().read()
    served.until(lambda: any(isinstance(event, RequestEnded) for event in notes.events))
    assert WorkerChanged(model="demo", state="ready", restarts=0) in notes.events
    assert WorkerReported(model="demo", stats=STATS) in notes.events
    [ended] = [event for event in notes.events if isinstance(event, RequestEnded)]
    assert (ended.route, ended.model, ended.status, ended.code) == ("/generate", "demo", 200, "stop")
    assert (ended.prompt_tokens, ended.completion_tokens, ended.cached_tokens) == (3, 2, 1)
    assert ended.queue_s == 0.25
    assert ended.ttft_s is not None
    assert 0 < ended.ttft_s <= ended.duration_s
    assert len(ended.gaps_s) == 1


def test_broken_observer_breaks_nothing(serve: Serve, notes: Notes) -> None:
    """Its failures are logged once, not once an event; the observers after it are told all the same."""
    notes.broken = True
    healthy = type(notes)()
    with capture_logs() as lines:
        served = serve(observers={"bad": lambda: notes, "good": lambda: healthy})
        for _ in range(3):
            assert served.request("GET", "/models").status == 200
        served.until(lambda: len(healthy.events) == 3)
    assert [line["plugin"] for line in lines if line["event"] == "observer failed"] == ["bad"]


def test_unsendable_text_is_the_clients_fault(serve: Serve) -> None:
    """Half a surrogate pair, which no message can carry, is 400 and not 500."""
    served = serve(kernel=KernelConfig())
    served.worker()
    connection = served.connection()
    connection.request("POST", "/surrogate")
    response = connection.getresponse()
    assert (response.status, json.loads(response.read())["code"]) == (400, "invalid_value")


def test_abandoned_generation_is_cancelled(served: Served) -> None:
    """A frontend that forgets to close its generator costs the worker nothing after the response."""
    worker = served.worker()
    connection = served.connection()
    connection.request("POST", "/abandon")
    submit = worker.submitted()
    worker.send(submit.id, Started(3, 16))
    assert connection.getresponse().status == 200
    assert worker.cancelled() == submit.id
