"""Pooled models: whole inputs, packed into calls, each with its own result, and every refusal before the model."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jackfield.channel.framing import FRAME_MAX
from jackfield.channel.messages import Cancel, Events, RequestFailed, to_gateway
from jackfield.errors import BackendFault, InvalidRequest
from jackfield.lifecycle import REQUEST, LifeCycle, RequestState
from jackfield.pooled import PairPrompt, Pooled, PoolRequest
from jackfield.ports.backend import ModelInfo, RunnerLimits
from jackfield.testing.scripted_pooled import LABELS, VECTOR_SIZE, ScriptedPooledRunner
from jackfield.types import TextPrompt, TokenPrompt
from jackfield.worker.pooling.job import PoolJob
from jackfield.worker.pooling.loop import PoolLoop, pick
from jackfield.worker.pooling.rows import RESULT_BYTES_MAX, check_result_size, row_of

if TYPE_CHECKING:
    import numpy.typing as npt
    from tests.kernel.worker.conftest import Peer, Serve

    from jackfield.channel.messages import SequenceEvent
    from jackfield.ports.backend import Batch


def numbers(row: bytes) -> npt.NDArray[np.float32]:
    """What a row says."""
    return np.frombuffer(row, "<f4")


def expected(text: str) -> npt.NDArray[np.float32]:
    """The scripted model's vector of *text*."""
    return np.bincount([byte % VECTOR_SIZE for byte in text.encode()], minlength=VECTOR_SIZE).astype(np.float32)


@pytest.fixture
def embedder(serve: Serve) -> Peer:
    """A gateway connected to a model that embeds: 16 tokens an input, 64 a call, 4 inputs a call."""
    return serve(context=16, max_sequences=4, options={"tasks": ["embed"]})


# --- what is computed -------------------------------------------------------------------------------------------------


def test_vectors_come_in_order_and_normalised(embedder: Peer) -> None:
    """More inputs than a call takes; each row is its input's, of length 1; tokens are counted."""
    texts = [f"text {number}" for number in range(23)]
    embedder.pool(1, *texts)
    result = embedder.rows(1)
    assert result.prompt_tokens == sum(map(len, texts))
    assert result.labels == ()
    for text, row in zip(texts, result.rows, strict=True):
        vector = expected(text)
        assert numbers(row) == pytest.approx(vector / np.linalg.norm(vector))


def test_token_inputs_are_used_as_they_are(embedder: Peer) -> None:
    """The same ids give the same vector as the text."""
    embedder.pool(1, "hello", TokenPrompt(tuple(b"hello")))
    text, tokens = embedder.rows(1).rows
    assert text == tokens


@pytest.mark.parametrize(
    ("dimensions", "normalize", "length"), [(None, False, 8), (3, True, 3), (3, False, 3), (8, True, 8), (1, True, 1)]
)
def test_vectors_are_cut_first_and_normalised_then(
    embedder: Peer,
    dimensions: int | None,
    normalize: bool,  # noqa: FBT001 -- a table's column
    length: int,
) -> None:
    """A cut vector has length 1 again; without normalising it is as the model gave it."""
    embedder.pool(1, "some text here", dimensions=dimensions, normalize=normalize)
    vector = numbers(embedder.rows(1).rows[0])
    assert len(vector) == length
    raw = expected("some text here")[:length]
    assert vector == pytest.approx(raw / np.linalg.norm(raw) if normalize else raw)


def test_pairs_are_scored(serve: Serve) -> None:
    """One number a pair, as the model gives it."""
    peer = serve(options={"tasks": ["rerank"]})
    peer.pool(1, PairPrompt("a b c", "b c d"), PairPrompt("a", "z"), task="rerank")
    assert [numbers(row).tolist() for row in peer.rows(1).rows] == [[2.0], [0.0]]


def test_classes_come_with_their_labels(serve: Serve) -> None:
    """One probability a label."""
    peer = serve(options={"tasks": ["classify"]})
    peer.pool(1, "ABcd", "x", task="classify")
    result = peer.rows(1)
    assert result.labels == LABELS
    assert [numbers(row).tolist() for row in result.rows] == [[0.5, 0.5], [0.0, 1.0]]


def test_figures_reach_the_gateway(embedder: Peer) -> None:
    """Steps and tokens are counted; at rest nothing runs."""
    embedder.pool(1, *["abcd"] * 10)
    embedder.rows(1)
    while not embedder.stats or embedder.stats[-1].running:
        embedder.receive()
    assert (embedder.stats[-1].steps, embedder.stats[-1].prompt_tokens) == (3, 40)


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inputs", "fields", "code", "param"),
    [
        pytest.param(["ok", ""], {}, "invalid_value", "input[1]", id="empty"),
        pytest.param([""], {}, "invalid_value", "input", id="only one, empty"),
        pytest.param(["a", "b", "c", "x" * 17], {}, "context_length_exceeded", "input[3]", id="too long"),
        pytest.param(["a", "x" * 1_000_000], {}, "context_length_exceeded", "input[1]", id="far too long"),
        pytest.param([TokenPrompt((1,) * 17)], {}, "context_length_exceeded", "input", id="too many tokens"),
        pytest.param(["a", TokenPrompt((1, 257))], {}, "invalid_value", "input[1][1]", id="unknown token"),
        pytest.param([TokenPrompt((-1,))], {}, "invalid_value", "input[0]", id="negative token"),
        pytest.param(["a"], {"dimensions": 9}, "invalid_value", "dimensions", id="more than there are"),
        pytest.param(["a"], {"task": "classify"}, "unsupported_parameter", "model", id="another task"),
        pytest.param([PairPrompt("a", "b")], {"task": "rerank"}, "unsupported_parameter", "model", id="pairs"),
    ],
)
def test_refusals(embedder: Peer, inputs: list[object], fields: dict[str, object], code: str, param: str) -> None:
    """Before the model sees it, with the input's number; the worker serves on."""
    embedder.pool(1, *inputs, timeout_s=None, **fields)
    assert embedder.failure(1) == (code, param)
    embedder.pool(2, "fine")
    assert len(embedder.rows(2).rows) == 1


@pytest.mark.parametrize(("query", "document"), [("", "b"), ("a", ""), ("a" * 9, "b" * 9), ("a", "b" * 100_000)])
def test_pairs_are_measured_together(serve: Serve, query: str, document: str) -> None:
    """Both texts must be there, and fit together."""
    peer = serve(context=16, options={"tasks": ["rerank"]})
    peer.pool(1, PairPrompt("x", "y"), PairPrompt(query, document), task="rerank")
    code, param = peer.failure(1)
    assert code == ("context_length_exceeded" if query and document else "invalid_value")
    assert param == "input[1]"


def test_a_pooled_model_does_not_generate_and_says_what_it_does(embedder: Peer) -> None:
    """And the other way round."""
    embedder.chat(1, "hi")
    assert embedder.failure(1) == ("unsupported_parameter", "model")
    last = embedder.events[1][-1]
    assert isinstance(last, RequestFailed)
    assert last.error.message == "this model can embed text; it cannot generate text"


def test_a_generating_model_does_not_embed(peer: Peer) -> None:
    """400, and the model generates on."""
    peer.pool(1, "hi")
    assert peer.failure(1) == ("unsupported_parameter", "model")
    peer.chat(2, "[say:fine]")
    assert peer.text(2) == "fine"


@pytest.mark.parametrize("directive", ["[zero:]", "[nan:]", "[fail:0]"])
def test_a_failure_costs_the_request_it_belongs_to(embedder: Peer, directive: str) -> None:
    """Others whose inputs shared the call are answered."""
    embedder.pool(1, "[delay:50]")
    embedder.pool(2, "good")
    embedder.pool(3, "fine", directive, "fine")
    embedder.pool(4, "good", "good")
    assert embedder.failure(3) == ("backend_fault", None)
    assert len(embedder.rows(2).rows) == 1
    assert len(embedder.rows(4).rows) == 2


def test_a_vector_of_zeros_is_one_where_no_direction_is_wanted(embedder: Peer) -> None:
    """Without normalising there is nothing wrong with it."""
    embedder.pool(1, "[zero:]", normalize=False)
    assert not numbers(embedder.rows(1).rows[0]).any()


# --- who gives up -----------------------------------------------------------------------------------------------------


def test_cancelled_within_one_call(embedder: Peer) -> None:
    """A request of a thousand inputs does not hold up the next one once nobody wants it."""
    embedder.pool(1, *["[delay:5]"] * 1000)
    embedder.messages.send(Cancel(1))
    embedder.pool(2, "next")
    assert len(embedder.rows(2).rows) == 1
    assert 1 not in embedder.events


def test_a_deadline_ends_it(embedder: Peer) -> None:
    """Between two calls, and the next request is served."""
    embedder.pool(1, *["[delay:20]"] * 500, timeout_s=0.1)
    assert embedder.failure(1) == ("deadline_exceeded", None)
    embedder.pool(2, "next")
    assert len(embedder.rows(2).rows) == 1


def test_stopping_fails_what_waits(serve: Serve) -> None:
    """Whoever still waits is told: the worker ends with the test, in the middle of its work."""
    asker = Asker()
    loop = PoolLoop(Recording(_limits()), lambda: None, lambda _: None)
    loop.submit(_job(asker, ["[delay:20]"] * 50))
    thread = threading.Thread(target=loop.run)
    thread.start()
    loop.stop()
    thread.join(10)
    assert isinstance(asker.events[-1], RequestFailed)


# --- calls ------------------------------------------------------------------------------------------------------------


class Asker:
    """Collects the events of one request."""

    def __init__(self) -> None:
        self.cancelled = False
        self.lives = [LifeCycle(REQUEST, RequestState.WAITING)]
        self.events: list[SequenceEvent] = []

    def post(self, event: SequenceEvent) -> None:
        """Keep *event*."""
        self.events.append(event)


class Recording(ScriptedPooledRunner):
    """Keeps the size of each call, and checks that it is legal."""

    def __init__(self, limits: RunnerLimits) -> None:
        super().__init__(_INFO, limits)
        self.tokens: list[int] = []

    def pool(self, batch: Batch) -> None:
        """Compute, and remember."""
        assert batch.wants_logits[: batch.rows].all()
        self.tokens.append(batch.rows)
        super().pool(batch)


_INFO = ModelInfo(
    architecture="scripted",
    title="",
    description="",
    parameters=0,
    size_bytes=0,
    context_train=64,
    vocabulary=257,
    tasks=("embed",),
    embedding_size=VECTOR_SIZE,
)


def _limits(*, sequences: int = 4, batch: int = 32) -> RunnerLimits:
    return RunnerLimits(context=batch, max_sequences=sequences, kv_tokens=batch, max_batch_tokens=batch)


def _job(asker: Asker, texts: list[str]) -> PoolJob:
    request = PoolRequest(model="m", task="embed", inputs=tuple(TextPrompt(text) for text in texts))
    return PoolJob(asker, [list(text.encode()) for text in texts], request)


_TEXTS = st.sampled_from(["a", "bb", "c" * 9, "d" * 32, "[fail:0]", "[nan:]"])


@settings(deadline=None)
@given(
    work=st.lists(st.tuples(st.lists(_TEXTS, min_size=1, max_size=6), st.booleans()), min_size=1, max_size=8),
    sequences=st.integers(1, 5),
    stop_early=st.booleans(),
)
def test_every_request_ends_as_its_own_inputs_say(
    work: list[tuple[list[str], bool]], sequences: int, *, stop_early: bool
) -> None:
    """Whatever shares a call: broken inputs fail their requests and no others, cancelled ones hear nothing."""
    runner = Recording(_limits(sequences=sequences))
    askers = [Asker() for _ in work]

    def stop_at_rest(_: object) -> None:
        if stop_early or all(asker.lives[0].final for asker in askers):
            loop.stop()

    loop = PoolLoop(runner, lambda: None, stop_at_rest)
    for asker, (texts, cancelled) in zip(askers, work, strict=True):
        asker.cancelled = cancelled
        loop.submit(_job(asker, texts))
    loop.run()
    assert all(rows <= 32 for rows in runner.tokens)
    assert all(count <= sequences for count in runner.calls)
    for asker, (texts, cancelled) in zip(askers, work, strict=True):
        assert asker.lives[0].final
        if cancelled:
            assert asker.events == []
            continue
        (event,) = asker.events
        if isinstance(event, RequestFailed):
            assert stop_early or {"[fail:0]", "[nan:]"} & set(texts)
        else:
            assert isinstance(event, Pooled)
            assert not {"[fail:0]", "[nan:]"} & set(texts)
            vectors = [expected(text) for text in texts]
            for row, vector in zip(event.rows, vectors, strict=True):
                assert numbers(row) == pytest.approx(vector / np.linalg.norm(vector))


def test_how_long_a_request_waited_is_told() -> None:
    """Until the first of its inputs was computed: what came with it and had to wait waited longer."""
    askers = (Asker(), Asker())

    def stop_at_rest(_: object) -> None:
        if all(asker.lives[0].final for asker in askers):
            loop.stop()

    loop = PoolLoop(Recording(_limits()), lambda: None, stop_at_rest)
    jobs = [_job(asker, ["[delay:20]"] * 4) for asker in askers]
    jobs[1].arrived = jobs[0].arrived
    for job in jobs:
        loop.submit(job)
    loop.run()
    waited = [event.queue_s for asker in askers for event in asker.events if isinstance(event, Pooled)]
    assert waited[1] >= waited[0] + 0.02


def test_a_call_that_hangs_is_seen() -> None:
    """The time of the present call is what the supervisor watches; at rest there is none."""

    class Watched(Recording):
        def pool(self, batch: Batch) -> None:
            seen.append(loop.busy_s())
            super().pool(batch)

    seen: list[float] = []
    loop = PoolLoop(Watched(_limits()), lambda: None, lambda _: loop.stop())
    loop.submit(_job(Asker(), ["[delay:1]"]))
    assert loop.busy_s() == 0
    loop.run()
    assert len(seen) == 1
    assert seen[0] > 0


@pytest.mark.parametrize(
    ("jobs", "sequences", "sizes"),
    [
        ([["aa", "aa", "aa"]], 2, [2]),
        ([["a" * 20, "a" * 20]], 9, [1]),
        ([["a" * 20], ["a" * 20], ["a"]], 9, [1]),
        ([["a"], ["a"], ["a"]], 9, [1, 1, 1]),
        ([["a"], ["!a"], ["a"]], 9, [1]),
        ([["!a", "!a"], ["a"]], 9, [2]),
    ],
    ids=["as many as there are slots", "as fit", "nobody overtakes", "together", "up to a suspect", "a suspect alone"],
)
def test_what_a_call_takes(jobs: list[list[str]], sequences: int, sizes: list[int]) -> None:
    """The oldest inputs, as many as fit; ``!`` marks suspect requests."""
    made = []
    for texts in jobs:
        job = _job(Asker(), texts)
        job.suspect = texts[0].startswith("!")
        made.append(job)
    picked = [job for job, _ in pick(made, _limits(sequences=sequences))]
    assert [picked.count(job) for job in made if job in picked] == sizes


# --- rows -------------------------------------------------------------------------------------------------------------


def _embed(**fields: object) -> PoolRequest:
    return msgspec.structs.replace(PoolRequest(model="m", task="embed", inputs=(TextPrompt("x"),)), **fields)


@given(st.lists(st.floats(width=32), max_size=12), st.one_of(st.none(), st.integers(1, 14)), st.booleans())
def test_a_row_is_a_vector_of_length_one_or_an_error(
    values: list[float],
    dimensions: int | None,
    normalize: bool,  # noqa: FBT001 -- drawn
) -> None:
    """Never NaN, never a silent cut, never an overflow on the way."""
    vector = np.array(values, np.float32)
    cut = vector[:dimensions]
    request = _embed(dimensions=dimensions, normalize=normalize)
    if not vector.size or not np.isfinite(vector).all():
        with pytest.raises(BackendFault):
            row_of(vector, request)
    elif dimensions is not None and dimensions > len(values):
        with pytest.raises(InvalidRequest) as caught:
            row_of(vector, request)
        assert caught.value.param == "dimensions"
    elif normalize and not cut.any():
        with pytest.raises(BackendFault):
            row_of(vector, request)
    else:
        row = numbers(row_of(vector, request))
        assert len(row) == len(cut)
        length = math.hypot(*row.tolist()) if normalize else 1.0
        assert length == pytest.approx(1, abs=1e-5)
        assert normalize or row.tobytes() == cut.tobytes()


@pytest.mark.parametrize(
    ("inputs", "size", "dimensions", "fits"),
    [(2048, 4096, None, True), (2048, 16384, None, False), (2048, 16384, 1024, True), (100, 16384, None, True)],
)
def test_results_that_no_message_can_carry_are_refused_before_they_are_computed(
    inputs: int,
    size: int,
    dimensions: int | None,
    fits: bool,  # noqa: FBT001 -- a table's column
) -> None:
    """The message says how many inputs are fine; what is let through does fit a frame."""
    request = _embed(inputs=(TextPrompt("x"),) * inputs, dimensions=dimensions)
    info = msgspec.structs.replace(_INFO, embedding_size=size)
    if fits:
        check_result_size(request, info)
    else:
        with pytest.raises(InvalidRequest, match=f"at most {RESULT_BYTES_MAX // size // 4} inputs"):
            check_result_size(request, info)


def test_the_largest_result_fits_a_frame() -> None:
    """With everything around it."""
    rows = (bytes(RESULT_BYTES_MAX // 2048),) * 2048
    assert len(to_gateway().encode(Events([(1, Pooled(rows, 1))]))) < FRAME_MAX
