"""The server that the official client talks to: a real gateway and a worker that plays scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from openai import OpenAI

from jackfield.testing.manifests import scripted_manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jackfield.testing.target import Target


@pytest.fixture(scope="session")
def base_url(servers: Callable[[str], Target]) -> str:
    """Root of the API of a server whose models ``scripted`` (alias ``default``) and ``narrow`` (one slot, no queue)."""
    models = {"scripted": 'aliases = ["default"]', "narrow": "max_sequences = 1"}
    return servers(scripted_manifest(models, kernel="queue = 0")).url + "/v1"


@pytest.fixture
def client(base_url: str) -> Iterator[OpenAI]:
    """The synchronous client; it does not retry unless a test asks for it."""
    with OpenAI(base_url=base_url, api_key="none", max_retries=0) as made:
        yield made
