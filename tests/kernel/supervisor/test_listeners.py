"""Listening sockets: real ports, clear refusals."""

from __future__ import annotations

import os
import socket

import pytest

from jackfield.errors import ManifestError
from jackfield.supervisor.listeners import bind, urls


@pytest.mark.parametrize(("address", "url"), [("127.0.0.1:0", "http://127.0.0.1:"), ("[::1]:0", "http://[::1]:")])
def test_port_zero_takes_a_free_port_and_says_which(address: str, url: str) -> None:
    """IPv4 and IPv6."""
    (listener,) = bind(address, key="kernel.listen", where="--set", listen=True)
    with listener:
        assert urls([listener]) == [f"{url}{listener.getsockname()[1]}"]
        with socket.create_connection(listener.getsockname()[:2], timeout=5):
            pass


def test_a_name_listens_at_all_its_addresses_on_one_port() -> None:
    """localhost may be IPv4 and IPv6."""
    listeners = bind("localhost:0", key="kernel.listen", where="--set", listen=True)
    try:
        assert len({listener.getsockname()[1] for listener in listeners}) == 1
    finally:
        for listener in listeners:
            listener.close()


@pytest.mark.parametrize(
    ("address", "cause"),
    [
        ("192.0.2.1:0", "no address of this machine"),
        ("nowhere.invalid:0", "no such host"),
    ],
)
def test_an_address_that_cannot_be_had_is_named(address: str, cause: str) -> None:
    """Where it was set, which it is, and why not."""
    with pytest.raises(ManifestError) as caught:
        bind(address, key="kernel.health", where="plugins.toml:3", listen=True)
    assert caught.value.message == f"plugins.toml:3: kernel.health: cannot listen at {address}: {cause}"


def test_a_port_in_use_is_named() -> None:
    """The most frequent start-up error of all says who has the port: this process, here."""
    (listener,) = bind("127.0.0.1:0", key="kernel.listen", where="default", listen=True)
    with listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(ManifestError) as caught:
            bind(address, key="kernel.listen", where="default", listen=True)
    assert f"cannot listen at {address}: already in use by " in caught.value.message
    assert f"(process {os.getpid()})" in caught.value.message
    assert "stop that server, or choose another port" in caught.value.message


def test_a_port_that_is_only_taken_refuses_connections() -> None:
    """Until somebody listens."""
    (listener,) = bind("127.0.0.1:0", key="kernel.listen", where="default", listen=False)
    with listener:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(listener.getsockname()[:2], timeout=5)
        listener.listen()
        with socket.create_connection(listener.getsockname()[:2], timeout=5):
            pass
