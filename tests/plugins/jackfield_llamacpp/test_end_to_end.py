"""llama-server's routes over HTTP, with real models behind."""

from __future__ import annotations

import json
import math
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from jackfield.testing.inprocess import InProcessServer
from jackfield_keys.commands import keys_command
from jackfield_keys.edit import KeyFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jackfield.testing.background import BackgroundLoop
    from jackfield.testing.target import Target

FIXTURES = Path(__file__).parents[2] / "fixtures"
PLUGINS = ["llama-cpu", "openai", "llamacpp", "fcfs", "llguidance", "kv-memory", "prometheus"]
STUDIO = "The studio has a panel of sockets that every device of the house is plugged into. It is a jackfield."


def manifest(source: Path | str, *, plugins: list[str] | None = None, model: str = "", more: str = "") -> str:
    """Of one model."""
    return f"""\
enabled = {json.dumps(plugins or PLUGINS)}
[config.llama-cpu]
threads = 1
deterministic = true
{more}
[models.m]
source = {json.dumps(str(source))}
{model}
"""


@contextmanager
def running(text: str, folder: Path, background: BackgroundLoop) -> Iterator[Target]:
    """A server of that manifest."""
    folder.mkdir(exist_ok=True)
    server = InProcessServer(text, folder, background)
    try:
        yield server.target
    finally:
        server.close()


def ask(target: Target, method: str, path: str, body: object = None, key: str | None = None) -> tuple[int, Any]:
    """Status and JSON of an answer."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    reply = target.run(target.client.request(method, path, body, headers=headers))  # type: ignore[arg-type]  # JSON
    return reply.status, json.loads(reply.body) if reply.body else None


def asked(target: Target, path: str, body: object, key: str | None = None) -> Any:
    """The JSON of an answer that must succeed."""
    status, answer = ask(target, "POST", path, body, key)
    assert status == 200, answer
    return answer


@pytest.fixture(scope="module")
def filler(background: BackgroundLoop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A model that fills gaps."""
    text = manifest(FIXTURES / "infill.gguf", model="context = 256")
    with running(text, tmp_path_factory.mktemp("filler"), background) as target:
        yield target


def test_a_gap_is_read_as_llama_server_reads_it(filler: Target) -> None:
    """Prefix with its begun line, suffix, middle: the answer is that to the same prompt written by hand."""
    body = {"n_predict": 6, "temperature": 0, "cache_prompt": False}
    gap = asked(filler, "/infill", {"input_prefix": "the ", "input_suffix": " of", "prompt": "st", **body})
    marks = asked(filler, "/tokenize", {"content": "<|fim_prefix|><|fim_suffix|><|fim_middle|>"})["tokens"]
    texts = [asked(filler, "/tokenize", {"content": text})["tokens"] for text in ("the ", "st", " of")]
    prompt = [marks[0], *texts[0], *texts[1], marks[1], *texts[2], marks[2]]
    plain = asked(filler, "/completion", {"prompt": prompt, **body})
    assert (gap["content"], gap["tokens_evaluated"]) == (plain["content"], len(prompt))
    # control tokens written in a prompt are such, as llama-server reads it; in a gap they are text
    written = asked(filler, "/completion", {"prompt": "<|fim_prefix|>the <|fim_middle|>", "n_predict": 0})
    assert written["tokens_evaluated"] == len(texts[0]) + 2
    literal = asked(filler, "/infill", {"input_prefix": "<|fim_middle|>", "input_suffix": "", "n_predict": 0})
    assert literal["tokens_evaluated"] > 4


def test_a_gap_with_other_files(filler: Target) -> None:
    """They stand in front of it, as far as there is room."""
    gap = {"input_prefix": "the ", "input_suffix": " of", "n_predict": 4}
    plain = asked(filler, "/infill", gap)["tokens_evaluated"]
    files = [{"filename": "a.py", "text": "x = 1"}]
    assert asked(filler, "/infill", {**gap, "input_extra": files})["tokens_evaluated"] > plain
    files = [{"text": "x" * 5000}]
    assert asked(filler, "/infill", {**gap, "input_extra": files})["tokens_evaluated"] == plain
    status, answer = ask(filler, "POST", "/infill", {**gap, "input_prefix": "word " * 500})
    assert (status, answer["error"]["type"]) == (400, "exceed_context_size_error")
    status, answer = ask(filler, "POST", "/completion", {"prompt": ["a", [40] * 300]})
    sizes = (answer["error"]["n_prompt_tokens"], answer["error"]["n_ctx"])
    assert (status, sizes) == (400, (300, 256))


def test_an_editors_request(filler: Target) -> None:
    """All that llama.vim and llama.vscode send, as it is; the answer has what they read."""
    read = ["content", "timings/prompt_n", "timings/prompt_ms", "timings/predicted_n", "truncated", "tokens_cached"]
    body = {
        "id_slot": 0,
        "input_prefix": "def f():\n",
        "input_suffix": "\n    return x\n",
        "input_extra": [{"filename": "a.py", "text": "x = 1"}],
        "prompt": "    ",
        "n_predict": 16,
        "stop": [],
        "n_indent": 4,
        "top_k": 40,
        "top_p": 0.9,
        "stream": False,
        "samplers": ["top_k", "top_p", "infill"],
        "cache_prompt": True,
        "t_max_prompt_ms": 500,
        "t_max_predict_ms": 1000,
        "response_fields": read,
    }
    assert set(asked(filler, "/infill", body)) == set(read)
    warm = {
        **body,
        "n_predict": 0,
        "samplers": [],
        "t_max_prompt_ms": 1,
        "t_max_predict_ms": 1,
        "response_fields": [""],
    }
    assert asked(filler, "/infill", warm) == {}


def test_what_a_model_without_gaps_says(background: BackgroundLoop, tmp_path: Path) -> None:
    """It cannot, by name of what asks for it."""
    with running(manifest(FIXTURES / "base.gguf", model="context = 64"), tmp_path / "server", background) as target:
        status, answer = ask(target, "POST", "/infill", {"input_prefix": "a", "input_suffix": "b"})
        assert (status, answer["error"]["type"]) == (400, "invalid_request_error")


@pytest.mark.parametrize("name", ["rerank", "rerank-causal"])
def test_three_shapes_of_a_ranking(name: str, background: BackgroundLoop, tmp_path: Path) -> None:
    """Jina's, TEI's and Cohere's say the same, in their own words."""
    query, documents = "music", ["a radio", "a table", "the studio"]
    text = manifest(FIXTURES / f"{name}.gguf")
    with running(text, tmp_path / "server", background) as target:
        jina = asked(target, "/v1/rerank", {"query": query, "documents": documents})
        tei = asked(target, "/rerank", {"query": query, "texts": documents, "return_text": True})
        cohere = asked(target, "/v2/rerank", {"query": query, "documents": documents, "top_n": 2})
        assert asked(target, "/tokenize", {"content": query})["tokens"]
    order = [each["index"] for each in jina["results"]]
    scores = [each["relevance_score"] for each in jina["results"]]
    assert sorted(order) == [0, 1, 2]
    assert scores == sorted(scores, reverse=True)
    assert [(each["index"], each["text"]) for each in tei] == [(index, documents[index]) for index in order]
    assert [each["score"] for each in tei] == pytest.approx(scores, abs=1e-5)
    assert [each["index"] for each in cohere["results"]] == order[:2]
    squashed = [1 / (1 + math.exp(-score)) for score in scores[:2]]
    assert [each["relevance_score"] for each in cohere["results"]] == pytest.approx(squashed, abs=1e-5)
    assert jina["usage"]["prompt_tokens"] == cohere["meta"]["tokens"]["input_tokens"]


def test_embeddings(background: BackgroundLoop, tmp_path: Path) -> None:
    """Nested, and scaled as it is wanted."""
    with running(manifest(FIXTURES / "embedding.gguf"), tmp_path / "server", background) as target:
        first, second = asked(target, "/embedding", {"content": ["the studio", [40, 41]]})
        (raw,) = asked(target, "/embeddings", {"content": "the studio", "embd_normalize": -1})
        (taxicab,) = asked(target, "/embedding", {"input": "the studio", "embd_normalize": 1})
    (vector,) = first["embedding"]
    assert (first["index"], second["index"]) == (0, 1)
    assert math.hypot(*vector) == pytest.approx(1, abs=1e-4)
    length = math.hypot(*raw["embedding"][0])
    assert [value / length for value in raw["embedding"][0]] == pytest.approx(vector, abs=1e-4)
    assert sum(map(abs, taxicab["embedding"][0])) == pytest.approx(1, abs=1e-4)


def test_progress_and_timings_of_a_real_prompt(background: BackgroundLoop, tmp_path: Path) -> None:
    """From the begin to the end of the prompt, then token by token."""
    text = manifest("jackfield:demo", model="context = 512", more="batch = 32")
    body: dict[str, Any] = {"prompt": STUDIO * 4, "n_predict": 4, "stream": True}
    body |= {"return_progress": True, "timings_per_token": True}
    with running(text, tmp_path / "server", background) as target:
        reply = target.run(target.client.request("POST", "/completion", {**body, "ignore_eos": True}))
    events = [json.loads(line.removeprefix("data: ")) for line in reply.body.decode().splitlines() if line]
    progress = [event["prompt_progress"] for event in events if "prompt_progress" in event]
    total = events[-1]["tokens_evaluated"]
    told = [each["processed"] for each in progress]
    assert (told[0], told[-1], told) == (0, total, sorted(set(told)))
    assert len(told) > 2
    parts = [event for event in events if "prompt_progress" not in event and not event["stop"]]
    assert sum(len(part["tokens"]) for part in parts) == 4
    assert all(part["timings"]["prompt_n"] == total for part in parts)
    assert [part["timings"]["predicted_n"] for part in parts] == [part["tokens_predicted"] for part in parts]
    assert all(event["timings"]["prompt_ms"] >= 0 for event in events)


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    """Of two people who may use slots."""
    command = keys_command("keys", "keys.toml", lambda: KeyFile(tmp_path / "keys.toml", "keys.toml"))
    rights = [word for scope in ("generate", "slots", "models:read") for word in ("--scope", scope)]
    made = {name: CliRunner().invoke(command, ["create", name, *rights]) for name in ("ann", "bob")}
    assert all(not result.exit_code for result in made.values()), made
    return {name: result.stdout.strip() for name, result in made.items()}


def test_slots_outlive_the_server_and_are_their_owners(
    background: BackgroundLoop, tmp_path: Path, keys: dict[str, str]
) -> None:
    """Save, start again, restore: nothing of the prompt is computed. Nobody else sees, restores or erases it."""
    ann, bob = keys["ann"], keys["bob"]
    text = manifest(
        "jackfield:demo",
        plugins=[*PLUGINS, "keys"],
        model=f"context = 512\nslot_folder = {json.dumps(str(tmp_path / 'slots'))}",
        more=f"[config.keys]\nfile = {json.dumps(str(tmp_path / 'keys.toml'))}",
    )
    body = {"prompt": STUDIO, "n_predict": 4, "temperature": 0, "id_slot": 1, "ignore_eos": True}
    longer = {**body, "prompt": STUDIO + " Plugins"}
    with running(text, tmp_path / "first", background) as target:
        answer = asked(target, "/completion", body, ann)
        assert answer["id_slot"] == 1
        saved = asked(target, "/slots/1?action=save", {"filename": "talk.bin"}, ann)
        assert saved["n_saved"] == answer["tokens_cached"]
        # it is the same after others were served in its slot's stead
        expected = asked(target, "/completion", {**longer, "cache_prompt": False}, ann)["content"]
        for action, file in (("save", "talk.bin"), ("restore", "talk.bin")):
            status, _ = ask(target, "POST", f"/slots/1?action={action}", {"filename": file}, bob)
            assert status == 400
        assert asked(target, "/slots/1?action=erase", {}, bob)["n_erased"] == 0
    with running(text, tmp_path / "second", background) as target:
        status, refused = ask(target, "POST", "/slots/0?action=restore", {"filename": "talk.bin"}, bob)
        assert (status, refused["error"]["type"]) == (400, "invalid_request_error")
        restored = asked(target, "/slots/0?action=restore", {"filename": "talk.bin"}, ann)
        assert (restored["n_restored"], restored["n_read"]) == (saved["n_saved"], saved["n_written"])
        assert asked(target, "/completion", longer, bob)["timings"]["cache_n"] == 0
        answer = asked(target, "/completion", longer, ann)
        assert answer["timings"]["cache_n"] >= len(asked(target, "/tokenize", {"content": STUDIO}, ann)["tokens"]) - 1
        assert answer["content"] == expected
        (written,) = [path for path in (tmp_path / "slots").rglob("*") if path.is_file()]
        written.write_bytes(written.read_bytes()[:-1] + b"?")
        status, _ = ask(target, "POST", "/slots/0?action=restore", {"filename": "talk.bin"}, ann)
        assert status == 400
        for name in ("../talk.bin", "/etc/passwd", ".hidden", "", "a\0b", "x" * 200):
            assert ask(target, "POST", "/slots/0?action=restore", {"filename": name}, ann)[0] == 400
        status, _ = ask(target, "GET", "/slots", key="jf_nobody")
        assert status == 401


def test_what_a_tenant_may_save_is_bounded(background: BackgroundLoop, tmp_path: Path) -> None:
    """By ``slot_limit``."""
    model = f"context = 256\nslot_folder = {json.dumps(str(tmp_path / 'slots'))}\nslot_limit = 1000"
    with running(manifest(FIXTURES / "base.gguf", model=model), tmp_path / "server", background) as target:
        asked(target, "/completion", {"prompt": STUDIO, "n_predict": 2})
        status, answer = ask(target, "POST", "/slots/0?action=save", {"filename": "a"})
        assert status == 400
        assert "1000" in answer["error"]["message"]
        assert not [path for path in (tmp_path / "slots").rglob("*") if path.is_file()]
