"""Steps: which server a scenario talks to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pytest_bdd import given

from jackfield.testing.manifests import DEMO, scripted_manifest
from jackfield.testing.steps.words import words

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield.testing.serve import ServeProcess
    from jackfield.testing.target import Target


@pytest.fixture
def server(service: ServeProcess) -> Target:
    """The server of a scenario; where no ``Given`` named another one, that of ``jackfield serve``."""
    return service.target


@given("a server with the demo model", target_fixture="server")
def demo_server(target: Target) -> Target:
    """The server of ``--target``."""
    return target


@given("a server with a scripted model", target_fixture="server")
def scripted_server(servers: Callable[[str], Target]) -> Target:
    """A server in this process whose model does what the prompt says."""
    return servers(scripted_manifest())


@given("a server with a scripted model that embeds texts", target_fixture="server")
def embedding_server(servers: Callable[[str], Target]) -> Target:
    """A server in this process whose model gives vectors."""
    return servers(scripted_manifest({"embedder": "context = 64"}, plugin='tasks = ["embed"]'))


@given("a server with a scripted model whose vectors can be shortened", target_fixture="server")
def matryoshka_server(servers: Callable[[str], Target]) -> Target:
    """One whose operator says so."""
    return servers(scripted_manifest({"embedder": "context = 64\nmatryoshka = true"}, plugin='tasks = ["embed"]'))


@given("a server with the demo model in deterministic mode", target_fixture="server")
def deterministic_server(servers: Callable[[str], Target]) -> Target:
    """A server in this process whose answers depend on nothing but their requests."""
    pytest.importorskip("llama_cpp")
    return servers(DEMO + "\n[config.llama-cpu]\ndeterministic = true\n")


@given(words("a server that runs {slots:d} request at a time and lets {queue:d} wait"), target_fixture="server")
def small_server(servers: Callable[[str], Target], slots: int, queue: int) -> Target:
    """A scripted server with little room."""
    return servers(scripted_manifest({"scripted": f"max_sequences = {slots}"}, kernel=f"queue = {queue}"))


@given(words("a server that runs {slots:d} requests at once on {tokens:d} tokens of memory"), target_fixture="server")
def crowded_server(servers: Callable[[str], Target], slots: int, tokens: int) -> Target:
    """A scripted server whose pool is smaller than what its requests may come to hold."""
    lines = f"max_sequences = {slots}\nkv_tokens = {tokens}\ncontext = {tokens}"
    return servers(scripted_manifest({"scripted": lines}))


@given(words("a server with a scripted model and a context of {tokens:d} tokens"), target_fixture="server")
def short_server(servers: Callable[[str], Target], tokens: int) -> Target:
    """A scripted server that takes short texts only."""
    return servers(scripted_manifest({"scripted": f"context = {tokens}"}))


@given(
    words("a server with a scripted model and a context of {tokens:d} tokens that is shifted"), target_fixture="server"
)
def shifting_server(servers: Callable[[str], Target], tokens: int) -> Target:
    """One whose answers go on without their beginning."""
    return servers(scripted_manifest({"scripted": f"context = {tokens}\ncontext_shift = true"}))


@given(words("a server with a scripted model and a body limit of {size:d} bytes"), target_fixture="server")
def strict_server(servers: Callable[[str], Target], size: int) -> Target:
    """A scripted server that takes small bodies only."""
    return servers(scripted_manifest(kernel=f"body_limit_bytes = {size}"))
