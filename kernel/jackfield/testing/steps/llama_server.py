"""Steps: requests in llama-server's dialect."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from pytest_bdd import given, parsers, then, when

from jackfield.testing.manifests import DEMO_PLUGINS, scripted_manifest
from jackfield.testing.steps.words import Table, fields, words

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jackfield.testing.client import JsonValue, Reply
    from jackfield.testing.target import Target

DOCUMENTS = ("a radio", "a table", "a lamp")
PLUGINS = tuple(dict.fromkeys((*DEMO_PLUGINS, "llamacpp")))
MODEL = '[models.demo]\nsource = "jackfield:demo"\ncontext = 512\n'


@given("a server with the demo model that speaks as llama-server", target_fixture="server")
def llama_server(servers: Callable[[str], Target]) -> Target:
    """Besides OpenAI's dialect."""
    pytest.importorskip("llama_cpp")
    return servers(f"enabled = {json.dumps(PLUGINS)}\n{MODEL}")


@pytest.fixture
def saving(tmp_path: Path) -> str:
    """The manifest of a server that saves slots; with a line more it is another server with the same folder."""
    folder = json.dumps(str(tmp_path / "slots"))
    return f"enabled = {json.dumps(PLUGINS)}\n{MODEL}slot_folder = {folder}\n"


@given("a server that saves slots", target_fixture="server")
def saving_server(servers: Callable[[str], Target], saving: str) -> Target:
    """In a folder of its own."""
    pytest.importorskip("llama_cpp")
    return servers(saving)


@when("the server is started again", target_fixture="server")
def another_server(servers: Callable[[str], Target], saving: str) -> Target:
    """Nothing but the folder is left of the one before."""
    return servers(f"{saving}# again\n")


@given("a server with a scripted model that ranks documents", target_fixture="server")
def ranking_server(servers: Callable[[str], Target]) -> Target:
    """It has no other task."""
    return servers(scripted_manifest(plugin='tasks = ["rerank"]', enabled=("llamacpp",)))


@when(words("I complete as llama-server's clients do: {text:Text} with"), target_fixture="completed")
def complete(server: Target, text: str, datatable: Table = None) -> Reply:
    """One prompt."""
    body = {"prompt": text, **fields(datatable)}
    return server.run(server.client.request("POST", "/completion", body))


@when("I complete as llama-server's clients do these texts", target_fixture="completed")
def complete_several(server: Target, datatable: list[list[str]]) -> Reply:
    """In one request."""
    prompts: list[JsonValue] = [row[0] for row in datatable]
    return server.run(server.client.request("POST", "/completion", {"prompt": prompts, "n_predict": 2}))


@then(words("the completion has {count:d} tokens"))
def completion_tokens(completed: Reply, count: int) -> None:
    """As its end says."""
    assert _end(completed)["tokens_predicted"] == count


@then(words("the completion ended because of {reason:Text}"))
def completion_end(completed: Reply, reason: str) -> None:
    """``stop_type``."""
    assert _end(completed)["stop_type"] == reason


@then("the completion says how it was made, and where the time went")
def completion_settings(completed: Reply) -> None:
    """What the model's makers recommend holds where nothing is said."""
    end = _end(completed)
    assert end["generation_settings"]["n_predict"] == 4
    assert end["generation_settings"]["temperature"] == 0.3
    assert end["timings"]["predicted_n"] == end["tokens_predicted"]
    assert end["timings"]["prompt_n"] + end["timings"]["cache_n"] == end["tokens_evaluated"]


@then("the completion came in pieces")
def completion_pieces(completed: Reply) -> None:
    """With their tokens; only the last one is the end."""
    *parts, end = _events(completed)
    assert [part["stop"] for part in parts] == [False] * len(parts)
    assert end["stop"]
    assert not end["content"]
    assert sum(len(part["tokens"]) for part in parts) == end["tokens_predicted"]


@then("the progress of the prompt was told up to its end")
def progress_told(completed: Reply) -> None:
    """Before any text."""
    events = _events(completed)
    told = [event["prompt_progress"] for event in events if "prompt_progress" in event]
    assert told
    assert told[-1]["processed"] == told[-1]["total"] == events[-1]["tokens_evaluated"]
    assert all("prompt_progress" in event for event in events[: len(told)])


@then(words("each token has its {count:d} likeliest ones"))
def likely_tokens(completed: Reply, count: int) -> None:
    """The most likely one first."""
    end = _end(completed)
    assert len(end["completion_probabilities"]) == end["tokens_predicted"]
    for token in end["completion_probabilities"]:
        likely = [each["logprob"] for each in token["top_logprobs"]]
        assert len(likely) == count
        assert likely == sorted(likely, reverse=True)


@then(words("the completion says {text:Text}"))
def completion_text(completed: Reply, text: str) -> None:
    """And nothing else."""
    assert _end(completed)["content"] == text


@then(words("the completion was drawn with a temperature of {temperature:d}"))
def completion_temperature(completed: Reply, temperature: int) -> None:
    """As its settings say."""
    assert _end(completed)["generation_settings"]["temperature"] == temperature


@then(words("there are {count:d} completions"))
def completion_count(completed: Reply, count: int) -> None:
    """In the order of the prompts."""
    found = _json(completed)
    assert [each["index"] for each in found] == list(range(count))
    assert len({each["prompt"] for each in found}) == count


@when(words("I have {text:Text} made into tokens and back"), target_fixture="written")
def there_and_back(server: Target, text: str) -> str:
    """Without a BOS."""
    tokens = _post(server, "/tokenize", {"content": text})["tokens"]
    assert len(tokens) > 1
    found: str = _post(server, "/detokenize", {"tokens": tokens})["content"]
    return found


@then(words("I have {text:Text} again"))
def have_again(written: str, text: str) -> None:
    """The same."""
    assert written == text


@when(words("I render {text:Text} and complete what comes of it"), target_fixture="completed")
def render_and_complete(server: Target, text: str) -> Reply:
    """Control tokens in the prompt are such."""
    prompt = _post(server, "/apply-template", {"messages": [{"role": "user", "content": text}]})["prompt"]
    return server.run(server.client.request("POST", "/completion", {"prompt": prompt, "n_predict": 1}))


@then(words("as many tokens were read as in a chat of {text:Text}"))
def same_prompt(server: Target, completed: Reply, text: str) -> None:
    """By OpenAI's route."""
    chat = server.run(server.client.ask(text, max_tokens=1))
    assert _end(completed)["tokens_evaluated"] == chat.completion.usage.prompt_tokens


@then(words("it is refused as llama-server does, naming {field:Text}"))
def refused(completed: Reply, field: str) -> None:
    """With the status in the body."""
    assert completed.status == HTTPStatus.BAD_REQUEST, completed.summary
    error = _json(completed)["error"]
    assert (error["code"], error["type"]) == (HTTPStatus.BAD_REQUEST, "invalid_request_error")
    assert field in error["message"]


@when(words("I ask for {first:Text} and {second:Text} and {third:Text}"), target_fixture="several")
def ask_for(server: Target, first: str, second: str, third: str) -> list[Reply]:
    """Three pages."""
    return [server.run(server.client.request("GET", path)) for path in (first, second, third)]


@then("each is answered in llama-server's words")
def pages(several: list[Reply]) -> None:
    """Properties, slots, health."""
    props, slots, health = map(_json, several)
    assert props["default_generation_settings"]["n_ctx"] > 0
    assert props["total_slots"] == len(slots)
    assert not any(slot["is_processing"] for slot in slots)
    assert health == {"status": "ok"}


@when(words("I save slot {slot:d} as {name:Text}"))
def save_slot(server: Target, slot: int, name: str) -> None:
    """What it has computed."""
    assert _post(server, f"/slots/{slot}?action=save", {"filename": name})["n_saved"] > 0


@when(words("I restore slot {slot:d} from {name:Text}"))
def restore_slot(server: Target, slot: int, name: str) -> None:
    """What was saved."""
    assert _post(server, f"/slots/{slot}?action=restore", {"filename": name})["n_restored"] > 0


@then("almost nothing of the prompt was computed")
def nothing_computed(completed: Reply) -> None:
    """Its last token is, as the answer follows from it."""
    assert _end(completed)["timings"]["prompt_n"] == 1


@when(parsers.parse("I rank documents as clients of {service:w} do"), target_fixture="ranking")
def rank(server: Target, service: str) -> list[Any]:
    """The same documents, in each one's words."""
    documents: list[JsonValue] = [*DOCUMENTS]
    if service == "TEI":
        answer = _post(server, "/rerank", {"query": "music", "texts": documents})
        return [(each["index"], each["score"]) for each in answer]
    path = "/v1/rerank" if service == "Jina" else "/v2/rerank"
    answer = _post(server, path, {"query": "music", "documents": documents})
    return [(each["index"], each["relevance_score"]) for each in answer["results"]]


@then("the documents are ranked, the best first")
def ranked(ranking: list[Any]) -> None:
    """All of them."""
    assert sorted(index for index, _ in ranking) == list(range(len(DOCUMENTS)))
    scores = [score for _, score in ranking]
    assert scores == sorted(scores, reverse=True)


def _post(server: Target, path: str, body: dict[str, JsonValue]) -> Any:
    return _json(server.run(server.client.request("POST", path, body)), HTTPStatus.OK)


def _json(reply: Reply, status: int | None = None) -> Any:
    assert status is None or reply.status == status, reply.summary
    return msgspec.json.decode(reply.body)


def _events(reply: Reply) -> list[Any]:
    assert reply.headers["Content-Type"].startswith("text/event-stream"), reply.summary
    lines = reply.body.decode().splitlines()
    return [msgspec.json.decode(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]


def _end(reply: Reply) -> Any:
    if reply.headers["Content-Type"].startswith("text/event-stream"):
        return _events(reply)[-1]
    return _json(reply, HTTPStatus.OK)
