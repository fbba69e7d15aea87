"""Steps: ``jackfield serve`` as processes that load, die, restart and stop."""

from __future__ import annotations

import signal
import time
from http import HTTPStatus
from importlib import resources
from typing import TYPE_CHECKING

import aiohttp
import pytest
from pytest_bdd import given, then, when

from jackfield.testing.manifests import scripted_manifest
from jackfield.testing.steps.words import words

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jackfield.testing.client import OpenStream, Stream
    from jackfield.testing.serve import ServeProcess

MARKING_PLUGIN = """\
from pathlib import Path

from jackfield import hookimpl

Path(__file__).with_suffix(".mark").touch()

@hookimpl
def jackfield_startup():
    pass
"""


@pytest.fixture
def service() -> ServeProcess:
    """The process tree of a scenario; a ``Given`` starts it."""
    raise AssertionError("no Given started a server")


@given("jackfield serve runs with a scripted model", target_fixture="service")
def scripted_service(serve: Callable[[str], ServeProcess]) -> ServeProcess:
    """Supervisor, gateway and a worker, all ready."""
    service = serve(scripted_manifest())
    service.wait_ready()
    return service


@given(words("jackfield serve runs with the scripted models {first:Text} and {second:Text}"), target_fixture="service")
def two_models(serve: Callable[[str], ServeProcess], first: str, second: str) -> ServeProcess:
    """Supervisor, gateway and two workers, all ready."""
    service = serve(scripted_manifest({first: "", second: ""}))
    service.wait_ready()
    return service


@given(words("jackfield serve starts with a model that loads for {seconds:g} seconds"), target_fixture="service")
def slow_model(serve: Callable[[str], ServeProcess], seconds: float) -> ServeProcess:
    """The gateway answers; the model is still loading."""
    service = serve(scripted_manifest(plugin=f"load_s = {seconds}"))
    service.wait_live()
    return service


@given(
    words(
        "jackfield serve starts with the scripted models {first:Text} and {second:Text} that load for {time:g} seconds"
    ),
    target_fixture="service",
)
def two_slow_models(serve: Callable[[str], ServeProcess], first: str, second: str, time: float) -> ServeProcess:
    """The gateway answers; the models are still loading."""
    service = serve(scripted_manifest({first: "", second: ""}, plugin=f"load_s = {time}"))
    service.wait_live()
    return service


@given(
    words(
        "jackfield serve starts with the scripted models {first:Text} and {second:Text},"
        " of which {broken:Text} cannot be loaded"
    ),
    target_fixture="service",
)
def one_broken_model(serve: Callable[[str], ServeProcess], first: str, second: str, broken: str) -> ServeProcess:
    """The gateway answers; one model will never come up."""
    refusing = {name: "options = { refuse = true }" if name == broken else "" for name in (first, second)}
    service = serve(scripted_manifest(refusing))
    service.wait_live()
    return service


@then(words("within {seconds:g} seconds {model:Text} answers"))
def model_answers(service: ServeProcess, seconds: float, model: str) -> None:
    """A request to it succeeds."""
    server = service.target

    def answered() -> bool:
        return server.run(server.client.ask("hello", model=model)).status == HTTPStatus.OK

    service.wait(f"{model} answering", answered, deadline_s=seconds)


@given("jackfield serve starts with a model file that was cut off", target_fixture="service")
def damaged_model(serve: Callable[[str], ServeProcess], tmp_path: Path) -> ServeProcess:
    """The gateway answers; llama.cpp gets half of a file."""
    whole = resources.files("jackfield").joinpath("models", "demo.gguf").read_bytes()
    (tmp_path / "half.gguf").write_bytes(whole[: len(whole) // 2])
    service = serve('[models.half]\nsource = "half.gguf"\n')
    service.wait_live()
    return service


@given("a plugin file that leaves a mark when it is imported")
def marking_plugin(tmp_path: Path) -> None:
    """Beside plugins.toml."""
    (tmp_path / "marking.py").write_text(MARKING_PLUGIN)


@when("jackfield serve runs without that plugin", target_fixture="service")
def without_plugin(serve: Callable[[str], ServeProcess]) -> ServeProcess:
    """It is not in ``enabled``."""
    service = serve(scripted_manifest())
    service.wait_ready()
    return service


@when("jackfield serve runs with that plugin", target_fixture="service")
def with_plugin(serve: Callable[[str], ServeProcess]) -> ServeProcess:
    """It is in ``enabled``."""
    service = serve(scripted_manifest(enabled=("./marking.py",)))
    service.wait_ready()
    return service


@then("there is no mark")
def no_mark(service: ServeProcess) -> None:
    """No process has imported the file."""
    assert not (service.folder / "marking.mark").exists()


@then("there is a mark")
def mark(service: ServeProcess) -> None:
    """Some process has imported the file."""
    assert (service.folder / "marking.mark").exists()


@given(words("answers of {first:Text} and {second:Text} are being streamed"), target_fixture="several")
def both_streamed(service: ServeProcess, first: str, second: str) -> list[OpenStream]:
    """One of each model, both with their first words."""
    prompt = "[repeat:150:ab][delay:10]"
    server = service.target
    opened = [server.run(server.client.open(prompt, model=model)) for model in (first, second)]
    for stream in opened:
        server.run(stream.reached(3))
    return opened


@when("a worker is killed", target_fixture="killed_at")
def kill_worker(service: ServeProcess) -> float:
    """``kill -9``."""
    service.kill("worker")
    return time.monotonic()


@when("the gateway is killed", target_fixture="workers_before")
def kill_gateway(service: ServeProcess) -> list[int]:
    """``kill -9``; remembers which workers ran."""
    workers = service.children("worker")
    service.kill("gateway")
    return workers


@when("the supervisor is killed")
def kill_supervisor(service: ServeProcess) -> None:
    """``kill -9``."""
    service.kill_supervisor()


@when("it is told to stop")
def stop(service: ServeProcess) -> None:
    """``SIGTERM`` to the supervisor, and the wait until it took effect."""
    service.stop()


@when("it is told to stop again")
def stop_again(service: ServeProcess) -> None:
    """Another ``SIGTERM``."""
    service.signal(signal.SIGTERM)


@then(words("one stream ends with the error {code:Text} within {seconds:g} second"))
def one_broken(streams: list[Stream], killed_at: float, code: str, seconds: float) -> None:
    """One event, no ``[DONE]``, and a proper end of the connection."""
    (broken,) = [stream for stream in streams if not stream.done]
    assert [error.code for error in broken.errors] == [code]
    assert not broken.broken
    assert broken.arrivals[-1].at - killed_at < seconds


@then("the other stream is complete")
def other_complete(streams: list[Stream]) -> None:
    """As if nothing had happened."""
    (whole,) = [stream for stream in streams if stream.done]
    assert whole.text == "ab" * 150


@then(words("within {seconds:g} seconds everything is ready again"))
def ready_again(service: ServeProcess, seconds: float) -> None:
    """As ``/readyz`` says."""
    service.wait("ready again", lambda: service.status("/readyz") == 200, deadline_s=seconds)


@then("the workers are the same processes")
def same_workers(service: ServeProcess, workers_before: list[int]) -> None:
    """They kept their models."""
    assert service.children("worker") == workers_before


@then(words("within {seconds:g} seconds none of its processes is left"))
def none_left(service: ServeProcess, seconds: float) -> None:
    """Neither gateway nor worker."""
    start = time.monotonic()
    while service.survivors():
        assert time.monotonic() - start < seconds, service.survivors()
        time.sleep(0.02)


@then(words("its log mentions {text:Text}"))
def log_mentions(service: ServeProcess, text: str) -> None:
    """At once or very soon."""
    service.wait(f"{text} in the log", lambda: text in service.log, deadline_s=2.0)


@then(words("its log does not mention {text:Text}"))
def log_silent(service: ServeProcess, text: str) -> None:
    """No process of it has written this."""
    assert text not in service.log


@then(words("it ends with exit code {code:d}"))
def exit_code(service: ServeProcess, code: int) -> None:
    """All of it, and nothing is left."""
    assert service.wait_exit() == code, service.log
    assert not service.survivors()


@then(words("within {seconds:g} seconds {path:Text} says {text:Text}"))
def page_says(service: ServeProcess, seconds: float, path: str, text: str) -> None:
    """A page of the health port."""
    server = service.target

    def reached() -> bool:
        return text in server.run(server.probe.request("GET", path)).body.decode()

    service.wait(f"{path} says {text}", reached, deadline_s=seconds)


@then(words("it ends within {seconds:g} seconds"))
def ends_within(service: ServeProcess, seconds: float) -> None:
    """With whatever exit code; and nothing is left."""
    service.wait_exit(deadline_s=seconds)
    assert not service.survivors()


@then("new requests are refused")
def refuses(service: ServeProcess) -> None:
    """As overloaded, so that a client tries elsewhere; or not even connected to any more."""
    server = service.target

    def refused() -> bool:
        try:
            return server.run(server.client.ask("hello")).status == HTTPStatus.SERVICE_UNAVAILABLE
        except aiohttp.ClientConnectionError:
            return True

    service.wait("refusing", refused, deadline_s=2.0)
