"""Whose slots are shown, and which are meant."""

from __future__ import annotations

import asyncio
import json

from aiohttp.test_utils import make_mocked_request
from tests.plugins.jackfield_llamacpp.asking import ask, asked

from jackfield.context import RequestContext
from jackfield.ports.identity import Principal
from jackfield.questions import SaveSlot, Sequences, SequenceState, SlotDone
from jackfield.testing.kits.scripted_gateway import ScriptedGateway
from jackfield_llamacpp.slots import Slots, SlotState


def running(principal: Principal, slot: int = 0) -> SequenceState:
    """A sequence of *principal*'s."""
    return SequenceState(
        id=9, slot=slot, state="generating", tenant=principal.tenant, priority=0, prompt_tokens=4, cached_tokens=0,
        generated_tokens=3, max_tokens=10, age_s=1.0,
    )  # fmt: skip


ANN, BOB = (Principal(id=name, name=name, fingerprint="abcdef", authenticator="keys") for name in ("ann", "bob"))


def seen_by(caller: Principal | None) -> SlotState:
    """Ann's slot, as *caller* sees it."""
    gateway = ScriptedGateway()
    gateway.replies = [Sequences(1, (running(ANN),))]
    context = RequestContext("req-1", "/slots", "127.0.0.1")
    context.principal = caller
    [slot] = asyncio.run(Slots(gateway, "", "strict").listed(make_mocked_request("GET", "/slots"), context))
    return slot


def test_who_asks_sees_their_own_slots() -> None:
    """Of others' only that they run; a server without keys has one caller, who sees all."""
    assert seen_by(ANN) == seen_by(None)
    assert seen_by(ANN).n_prompt_tokens == 4
    assert seen_by(BOB) == SlotState(id=0, n_ctx=512, speculative=False, is_processing=True)


def test_what_waits_has_no_slot() -> None:
    """So it neither is shown nor takes the last one."""
    gateway = ScriptedGateway()
    gateway.replies = [Sequences(1, (running(ANN, slot=-1),))]
    [slot] = asked(gateway, "/slots?fail_on_no_slot=1", method="GET")
    assert not slot["is_processing"]


def test_the_model_whose_slot_is_meant() -> None:
    """Named by the body, or by the URL."""
    gateway = ScriptedGateway()
    gateway.replies = [SlotDone(1, 0, 0.0)] * 2
    asked(gateway, "/slots/0?action=erase&model=default")
    asked(gateway, "/slots/0?action=erase&model=other", {"model": "default"})
    assert gateway.questions == [SaveSlot(model="default", slot=0, action="erase", file="")] * 2


def test_fields_that_no_slot_has() -> None:
    """Refused by name."""
    status, data = ask(ScriptedGateway(), "/slots/0?action=erase", {"file": "a"})
    assert status == 400
    assert "file" in json.loads(data)["error"]["message"]
