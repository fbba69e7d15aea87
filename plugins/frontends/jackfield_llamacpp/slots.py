"""``/slots``, ``/props`` and ``/health``: how the server is, in llama-server's shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from jackfield import __version__
from jackfield.chat import JsonValue
from jackfield.errors import InternalError, InvalidRequest, ModelNotFound, ModelNotReady, Overloaded
from jackfield.frontends.arrays import INT32_MAX
from jackfield.frontends.rules import shown
from jackfield.questions import ListSequences, SaveSlot, Sequences, SlotDone
from jackfield.sampling import SamplingParams
from jackfield_llamacpp import fields
from jackfield_llamacpp.bodies import SAMPLING_DEFAULTS, SlotBody
from jackfield_llamacpp.reading import chosen_model, decoded, screened

if TYPE_CHECKING:
    from aiohttp import web

    from jackfield.context import RequestContext
    from jackfield.frontends.rules import Mode
    from jackfield.ports.frontend import Gateway, ModelCard
    from jackfield.questions import SequenceState

_SLOT: Final = msgspec.json.Decoder(SlotBody)


class NextToken(msgspec.Struct):
    """How far an answer is."""

    has_next_token: bool
    n_remain: int
    n_decoded: int


class SlotState(msgspec.Struct):
    """One slot."""

    id: int
    id_task: int
    n_ctx: int
    speculative: bool
    is_processing: bool
    next_token: NextToken


class SlotSaved(msgspec.Struct, omit_defaults=True):
    """What became of a slot's state."""

    id_slot: int
    filename: str | None = None
    n_saved: int | None = None
    n_written: int | None = None
    n_restored: int | None = None
    n_read: int | None = None
    n_erased: int | None = None
    timings: dict[str, float] | None = None


class Props(msgspec.Struct):
    """Properties of the server, as those of its default model."""

    default_generation_settings: dict[str, JsonValue]
    total_slots: int
    model_alias: str
    model_path: str
    chat_template: str
    modalities: dict[str, bool]
    build_info: str
    is_sleeping: bool


class Alive(msgspec.Struct):
    """The server serves."""

    status: str = "ok"


class Slots:
    """Views of the server. Event loop thread.

    Parameters:
        gateway: Whom to ask.
        default: Model of requests that name none; empty takes the first that generates.
        mode: What becomes of fields that cannot be honoured.
    """

    def __init__(self, gateway: Gateway, default: str, mode: Mode) -> None:
        self._gateway = gateway
        self._default = default
        self._mode: Mode = mode

    async def listed(self, request: web.Request, context: RequestContext) -> list[SlotState]:
        """The slots of one model; raises ``Overloaded`` where none is free and the query asks for that."""
        model = self._model(context, request.query.get("model"))
        reply = await self._gateway.ask(context, ListSequences(model=model))
        if not isinstance(reply, Sequences):
            raise InternalError("a worker has answered something else")
        running = {each.slot: each for each in reply.sequences if 0 <= each.slot < reply.slots}
        if request.query.get("fail_on_no_slot") == "1" and len(running) >= reply.slots:
            raise Overloaded("no slot available")
        card = self._card(context, model)
        n_ctx = (card.context if card is not None else None) or 0
        return [_slot(number, n_ctx, running.get(number)) for number in range(reply.slots)]

    async def act(self, request: web.Request, data: bytes, context: RequestContext) -> SlotSaved:
        """``?action=save``, ``restore`` or ``erase``."""
        number = request.match_info["id_slot"]
        if not number.isdecimal() or int(number) > INT32_MAX:
            raise InvalidRequest("the slot must be a number", param="id_slot")
        action = request.query.get("action", "")
        if action not in {"save", "restore", "erase"}:
            raise InvalidRequest("action must be save, restore or erase", param="action")
        body = decoded(_SLOT, screened(data or b"{}", self._mode, fields.SLOT_HONOURED, fields.NOTHING))
        name = body.filename or ""
        asked = SaveSlot(
            model=self._model(context, body.model or request.query.get("model")),
            slot=int(number),
            action="save" if action == "save" else "restore" if action == "restore" else "erase",
            file=name,
        )
        reply = await self._gateway.ask(context, asked)
        if not isinstance(reply, SlotDone):
            raise InternalError("a worker has answered something else")
        return _done(asked, reply)

    def props(self, request: web.Request, context: RequestContext) -> Props:
        """Of ``?model=``, or the default model."""
        name = self._model(context, request.query.get("model"))
        card = self._card(context, name)
        if card is None:
            raise ModelNotFound(f"the model {shown(name)} does not exist", param="model")
        if card.info is None:
            raise ModelNotReady("Loading model")
        settings: dict[str, JsonValue] = {**msgspec.structs.asdict(SamplingParams()), **SAMPLING_DEFAULTS}
        return Props(
            default_generation_settings={"n_ctx": card.context, "params": settings},
            total_slots=card.limits.max_sequences if card.limits is not None else 0,
            model_alias=card.name,
            model_path=card.name,
            chat_template=card.chat_template or "",
            modalities={"vision": "image" in card.info.modalities, "audio": "audio" in card.info.modalities},
            build_info=f"jackfield {__version__}",
            is_sleeping=False,
        )

    def health(self, context: RequestContext) -> Alive:
        """Raises ``ModelNotReady`` while a model that the caller may use does not serve."""
        if not all(card.ready for card in self._gateway.models(context)):
            raise ModelNotReady("Loading model")
        return Alive()

    def _card(self, context: RequestContext, model: str) -> ModelCard | None:
        return next((each for each in self._gateway.models(context) if model in (each.name, *each.aliases)), None)

    def _model(self, context: RequestContext, named: str | None) -> str:
        return chosen_model(self._gateway, context, named, self._default, "generate")


def _slot(number: int, n_ctx: int, state: SequenceState | None) -> SlotState:
    decoded_tokens = state.generated_tokens if state is not None else 0
    left = state.max_tokens - decoded_tokens if state is not None else -1
    return SlotState(
        id=number,
        id_task=state.id if state is not None else -1,
        n_ctx=n_ctx,
        speculative=False,
        is_processing=state is not None,
        next_token=NextToken(state is not None, left, decoded_tokens),
    )


def _done(asked: SaveSlot, reply: SlotDone) -> SlotSaved:
    took_ms = reply.took_s * 1000
    if asked.action == "save":
        timings = {"save_ms": took_ms}
        return SlotSaved(asked.slot, asked.file, n_saved=reply.tokens, n_written=reply.size_bytes, timings=timings)
    if asked.action == "restore":
        timings = {"restore_ms": took_ms}
        return SlotSaved(asked.slot, asked.file, n_restored=reply.tokens, n_read=reply.size_bytes, timings=timings)
    return SlotSaved(asked.slot, n_erased=reply.tokens)
