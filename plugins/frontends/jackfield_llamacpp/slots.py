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
from jackfield_llamacpp.reading import chosen_card, decoded, screened
from jackfield_llamacpp.settings import default_settings

if TYPE_CHECKING:
    from aiohttp import web

    from jackfield.context import RequestContext
    from jackfield.frontends.rules import Mode
    from jackfield.ports.frontend import Gateway, ModelCard
    from jackfield.questions import SequenceState
    from jackfield_llamacpp.reading import Headers

_SLOT: Final = msgspec.json.Decoder(SlotBody)


class NextToken(msgspec.Struct):
    """How far an answer is."""

    has_next_token: bool
    n_remain: int
    n_decoded: int


class SlotState(msgspec.Struct, omit_defaults=True):
    """One slot; what it computes is told to whoever asked for it."""

    id: int
    n_ctx: int
    speculative: bool
    is_processing: bool
    id_task: int | None = None
    n_prompt_tokens: int | None = None
    n_prompt_tokens_processed: int | None = None
    n_prompt_tokens_cache: int | None = None
    next_token: list[NextToken] | None = None
    """One."""


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
    model_ftype: str
    model_path: str
    """The model's name: paths of the host are nobody's business."""
    modalities: dict[str, bool]
    chat_template: str
    chat_template_caps: dict[str, bool]
    build_info: str
    endpoint_slots: bool = True
    endpoint_props: bool = False
    endpoint_metrics: bool = False
    """They are on the health port."""
    ui: bool = False
    ui_settings: dict[str, JsonValue] = {}
    is_sleeping: bool = False
    cors_proxy_enabled: bool = False


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
        model, card = self._card(context, request.query.get("model"))
        reply = await self._gateway.ask(context, ListSequences(model=model))
        if not isinstance(reply, Sequences):
            raise InternalError("a worker has answered something else")
        running = {each.slot: each for each in reply.sequences if 0 <= each.slot < reply.slots}
        if request.query.get("fail_on_no_slot") and len(running) >= reply.slots:
            raise Overloaded("no slot available")
        n_ctx = (card.context if card is not None else None) or 0
        tenant = context.principal.tenant if context.principal is not None else None
        return [view_of(number, n_ctx, running.get(number), tenant) for number in range(reply.slots)]

    async def act(self, request: web.Request, data: bytes, context: RequestContext) -> tuple[SlotSaved, Headers]:
        """``?action=save``, ``restore`` or ``erase``."""
        number = request.match_info["id_slot"]
        if not number.isdecimal() or int(number) > INT32_MAX:
            raise InvalidRequest("the slot must be a number", param="id_slot")
        action = request.query.get("action", "")
        if action not in {"save", "restore", "erase"}:
            raise InvalidRequest("action must be save, restore or erase", param="action")
        read = screened(data or b"{}", self._mode, fields.SLOT_HONOURED, fields.NOTHING)
        body = decoded(_SLOT, read)
        if body.filename is None and action != "erase":
            raise InvalidRequest("filename is required", param="filename")
        name = body.filename or ""
        asked = SaveSlot(
            model=self._card(context, body.model or request.query.get("model"))[0],
            slot=int(number),
            action="save" if action == "save" else "restore" if action == "restore" else "erase",
            file=name,
        )
        reply = await self._gateway.ask(context, asked)
        if not isinstance(reply, SlotDone):
            raise InternalError("a worker has answered something else")
        return _done(asked, reply), read.headers

    def props(self, request: web.Request, context: RequestContext) -> Props:
        """Of ``?model=``, or the default model."""
        name, card = self._card(context, request.query.get("model"))
        if card is None:
            raise ModelNotFound(f"the model {shown(name)} does not exist", param="model")
        if card.info is None:
            raise ModelNotReady("Loading model")
        settings = default_settings(msgspec.convert({**SAMPLING_DEFAULTS, **card.info.sampling}, SamplingParams))
        return Props(
            default_generation_settings={"params": settings, "n_ctx": card.context},
            total_slots=card.limits.max_sequences if card.limits is not None else 0,
            model_alias=card.name,
            model_ftype=card.info.quantisation,
            model_path=card.name,
            modalities={name: kind in card.info.modalities for name, kind in _MODALITIES.items()},
            chat_template=card.chat_template or "",
            chat_template_caps=_template_caps(card),
            build_info=f"jackfield {__version__}",
        )

    def health(self, context: RequestContext) -> Alive:
        """Raises ``ModelNotReady`` while a model that the caller may use does not serve."""
        if not all(card.ready for card in self._gateway.models(context)):
            raise ModelNotReady("Loading model")
        return Alive()

    def _card(self, context: RequestContext, named: str | None) -> tuple[str, ModelCard | None]:
        return chosen_card(self._gateway, context, named, self._default, "generate")


_MODALITIES: Final = {"vision": "image", "video": "video", "audio": "audio"}


def _template_caps(card: ModelCard) -> dict[str, bool]:
    known = card.capabilities
    tools = known is not None and known.tools
    return {
        "supports_tools": tools,
        "supports_tool_calls": tools,
        "supports_parallel_tool_calls": known is not None and known.parallel_tool_calls,
    }


def view_of(number: int, n_ctx: int, state: SequenceState | None, tenant: str | None) -> SlotState:
    """One slot, as *tenant* may see it; None sees all."""
    view = SlotState(id=number, n_ctx=n_ctx, speculative=False, is_processing=state is not None)
    if state is None or tenant not in {None, state.tenant}:
        return view
    view.id_task = state.id
    view.n_prompt_tokens = state.prompt_tokens
    view.n_prompt_tokens_processed = state.prompt_tokens - state.cached_tokens if state.generated_tokens else 0
    view.n_prompt_tokens_cache = state.cached_tokens
    left = state.max_tokens - state.generated_tokens
    view.next_token = [NextToken(has_next_token=True, n_remain=left, n_decoded=state.generated_tokens)]
    return view


def _done(asked: SaveSlot, reply: SlotDone) -> SlotSaved:
    took_ms = reply.took_s * 1000
    if asked.action == "save":
        timings = {"save_ms": took_ms}
        return SlotSaved(asked.slot, asked.file, n_saved=reply.tokens, n_written=reply.size_bytes, timings=timings)
    if asked.action == "restore":
        timings = {"restore_ms": took_ms}
        return SlotSaved(asked.slot, asked.file, n_restored=reply.tokens, n_read=reply.size_bytes, timings=timings)
    return SlotSaved(asked.slot, n_erased=reply.tokens)
