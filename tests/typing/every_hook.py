"""A plugin that implements every hook and every port, as its author writes it. Checked by ``make lint``, never run.

What must not pass is here too: an ignored error that stops being one is an error itself (mypy's
``warn_unused_ignores``).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, assert_type

import click
import msgspec

from jackfield import PluginInstance, hookimpl
from jackfield.errors import InvalidRequest, KeyNotFound, LimitExceeded, Unauthenticated
from jackfield.ports.backend import Backend, Batch, ModelInfo, ModelSpec, RunnerLimits, TokenScores
from jackfield.ports.check import Check, CheckResult
from jackfield.ports.constraint import Choice, Constraint, ConstraintEngine, Matcher
from jackfield.ports.dialect import ChatDialect, ChatReader, ContentPiece, Opening, Piece, Traits
from jackfield.ports.frontend import ErrorPayload, Frontend, Gateway, Route
from jackfield.ports.guardrail import GuardedText, GuardrailTraits, Subject, Verdict
from jackfield.ports.identity import Authenticator, Credential, Principal, fingerprint
from jackfield.ports.key_issuer import IssuedKey, KeyChange, KeyGrant, KeyIssuer, NewKey
from jackfield.ports.kv_store import KVStore, StateKey, StoreUsage
from jackfield.ports.limiter import Spent, Standing
from jackfield.ports.observer import Exposition, Observer, RequestEnded
from jackfield.ports.outside_change import Inventory, OutsideChange
from jackfield.ports.policy import Decision, Explanation, PolicyTest
from jackfield.ports.policy_store import (
    Changes,
    DocumentName,
    Documents,
    Governed,
    PolicyStore,
    PolicyStoreFactory,
    VersionConflict,
)
from jackfield.ports.records import Record, StoreFull
from jackfield.ports.roles import Grants
from jackfield.ports.scheduler import Scheduler, SchedulerView, StepPlan
from jackfield.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np
    import numpy.typing as npt
    from aiohttp import web

    from jackfield.chat import ChatFormat, ChatPrompt
    from jackfield.context import RequestContext
    from jackfield.errors import JackfieldError
    from jackfield.hookspecs import ProcessKind
    from jackfield.plugins import Kernel
    from jackfield.ports.audit import AuditEvent, AuditSinkFactory
    from jackfield.ports.backend import BackendFactory, Progress, Runner, Sampler
    from jackfield.ports.check import CheckFactory
    from jackfield.ports.constraint import ConstraintEngineFactory
    from jackfield.ports.dialect import DialectFactory
    from jackfield.ports.frontend import FrontendFactory
    from jackfield.ports.guardrail import Asking, GuardrailFactory
    from jackfield.ports.identity import AuthenticatorFactory
    from jackfield.ports.key_issuer import Judge
    from jackfield.ports.kv_store import KVStoreFactory
    from jackfield.ports.limiter import Claim, LimitBook, LimitEntry, Limiter, LimiterFactory
    from jackfield.ports.observer import ObservedEvent, ObserverFactory
    from jackfield.ports.outside_change import Tell
    from jackfield.ports.policy import PolicyEngine, PolicyEngineFactory, PolicyInput, PolicyWorkbench
    from jackfield.ports.pooled import PooledRunner
    from jackfield.ports.records import RecordStoreFactory
    from jackfield.ports.reuse import ReusableRunner
    from jackfield.ports.reviewer import Reviewer
    from jackfield.ports.roles import RoleBookFactory
    from jackfield.ports.scheduler import SchedulerFactory
    from jackfield.ports.secret_source import SecretSourceFactory
    from jackfield.ports.tokenizer import InfillTokens, Tokenizer
    from jackfield.sampling import SamplingParams


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[config.…]``, with a secret."""

    token: Secret = Secret("")


# --- objects that implement the ports, by structure alone ------------------------------------------------------------


class Letters:
    """A tokenizer."""

    vocabulary = 27
    end_tokens = frozenset({26})
    chat_template: str | None = None
    template_tokens: Mapping[str, str] = {}
    infill: InfillTokens | None = None

    def encode(self, text: str, *, add_bos: bool, parse_special: bool) -> list[int]:
        """Small letters only."""
        return [ord(letter) - ord("a") for letter in text if letter.islower()]

    def piece(self, token: int) -> bytes:
        """One letter."""
        return bytes((ord("a") + token,))

    def name(self, token: int) -> bytes:
        """The same."""
        return self.piece(token)


class First:
    """A sampler."""

    def sample(self, row: int, mask: npt.NDArray[np.uint32] | None = None) -> int:
        """The first letter."""
        return 0

    def close(self) -> None:
        """Nothing to do."""


class LettersRunner:
    """A runner."""

    def __init__(self, info: ModelInfo, limits: RunnerLimits) -> None:
        self.info = info
        self.limits = limits
        self.tokenizer: Tokenizer = Letters()

    def decode(self, batch: Batch) -> None:
        """Nothing to compute."""

    def remove(self, sequence: int) -> None:
        """Nothing to forget."""

    def shift(self, sequence: int, keep: int, discard: int) -> None:
        """Nothing to move."""

    def scores(self, row: int, token: int, top: int) -> TokenScores:
        """Certain."""
        return TokenScores(0.0, [(token, 0.0)])

    def sampler(
        self,
        params: SamplingParams,
        *,
        history: Sequence[int] = (),
        bias: Mapping[int, float] | None = None,
        banned: Sequence[int] = (),
        banned_draws: int | None = None,
    ) -> Sampler:
        """A port's argument may be taken more widely than the port asks."""
        return First()

    def close(self) -> None:
        """Nothing to free."""


class KeptLetters(LettersRunner):
    """A runner whose prefixes can be used again."""

    def copy(self, source: int, target: int, length: int) -> None:
        """Nothing to copy."""

    def cut(self, sequence: int, length: int) -> None:
        """Nothing to forget."""

    def save(self, sequence: int, start: int, end: int) -> memoryview:
        """Nothing."""
        return memoryview(b"")

    def restore(self, sequence: int, state: memoryview, length: int) -> None:
        """Nothing to bring back."""

    def checkpoint(self, sequence: int) -> memoryview:
        """Nothing."""
        return memoryview(b"")

    def rewind(self, sequence: int, checkpoint: memoryview, length: int) -> None:
        """Nothing to go back to."""


class Means:
    """A pooled runner."""

    def __init__(self, runner: LettersRunner) -> None:
        self.info, self.limits, self.tokenizer = runner.info, runner.limits, runner.tokenizer

    def pair(self, query: str, document: str) -> list[int]:
        """Both."""
        return self.tokenizer.encode(query + document, add_bos=True, parse_special=False)

    def pool(self, batch: Batch) -> None:
        """Nothing to compute."""

    def pooled(self, sequence: int) -> npt.NDArray[np.float32]:
        """Never asked here."""
        raise NotImplementedError

    def close(self) -> None:
        """Nothing to free."""


class LettersBackend:
    """A backend."""

    def inspect(self, spec: ModelSpec) -> ModelInfo:
        """Nothing to look into."""
        return ModelInfo(
            architecture="letters",
            title=spec.name,
            description="letters",
            parameters=0,
            size_bytes=0,
            context_train=64,
            vocabulary=27,
        )

    def load(self, spec: ModelSpec, progress: Progress) -> Runner | PooledRunner:
        """One that generates, or one that embeds."""
        progress(1.0)
        limits = RunnerLimits(context=64, max_sequences=1, kv_tokens=64, max_batch_tokens=64)
        runner = LettersRunner(self.inspect(spec), limits)
        return Means(runner) if spec.name == "means" else runner


class Idle:
    """A scheduler."""

    def plan(self, view: SchedulerView) -> StepPlan:
        """Nothing, ever."""
        return StepPlan([])


class OneLetter:
    """A matcher: one letter of some, then the end."""

    def __init__(self, letters: frozenset[int]) -> None:
        self._allowed = letters

    def mask(self, out: npt.NDArray[np.uint32]) -> None:
        """One word holds all letters."""
        out[0] = sum(1 << token for token in self._allowed)

    def accept(self, token: int) -> None:
        """Only the end follows."""
        self._allowed = Letters.end_tokens

    def forced(self) -> list[int]:
        """None is."""
        return []

    @property
    def finished(self) -> bool:
        """After the letter."""
        return self._allowed == Letters.end_tokens

    def allows(self, tokens: Sequence[int]) -> int:
        """The first one, perhaps."""
        return int(tokens[0] in self._allowed) if tokens else 0


class Alphabet:
    """A grammar."""

    def __init__(self, letters: str) -> None:
        self._letters = letters

    def matcher(self) -> Matcher:
        """At the beginning."""
        return OneLetter(frozenset(ord(letter) - ord("a") for letter in self._letters))


class LetterEngine:
    """A constraint engine; constraints are narrowed by their class."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    def kept(self, constraint: Constraint) -> Alphabet | None:
        """Letters are compiled in no time."""
        return None

    def compile(self, constraint: Constraint) -> Alphabet:
        """A result may say more than the port asks."""
        if isinstance(constraint, Choice):
            assert_type(constraint.choices, tuple[str, ...])
            return Alphabet("".join(constraint.choices))
        raise InvalidRequest("only choices are known", param="response_format")


class Page:
    """An observer with a page."""

    def observe(self, event: ObservedEvent) -> None:
        """Events are narrowed by their class."""
        if isinstance(event, RequestEnded):
            assert_type(event.duration_s, float)

    def render(self, accept: str) -> tuple[str, bytes]:
        """An empty one."""
        return "text/plain", b""


class Hello:
    """A frontend."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def routes(self) -> Sequence[Route]:
        """One."""
        return [Route("GET", "/hello", self._hello)]

    def render_error(self, error: JackfieldError, request_id: str) -> ErrorPayload:
        """As text."""
        return ErrorPayload(status=500, body=error.message.encode(), content_type="text/plain")

    async def _hello(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        raise NotImplementedError


class OneToken:
    """An authenticator."""

    def __init__(self, token: Secret) -> None:
        self._token = token

    async def authenticate(self, credential: Credential) -> Principal | None:
        """The holder of the token."""
        if credential.value == self._token:
            return Principal(id="one", name="one", fingerprint=fingerprint(credential.value.reveal()))
        raise Unauthenticated("this token is unknown")


class KnownHolder(OneToken):
    """An authenticator that is a reviewer too, and takes up secrets that were rotated."""

    async def review(self, principal: Principal) -> Principal:
        """Nothing has changed."""
        return principal

    async def reload(self) -> None:
        """There is one token for ever."""


class FewKeys(OneToken):
    """An authenticator that is a key issuer too."""

    async def issued(self) -> Sequence[IssuedKey]:
        """None."""
        return ()

    async def issue(self, grant: KeyGrant) -> NewKey:
        """A name is all that is kept."""
        made = IssuedKey(
            name=grant.name, fingerprint="000000", state="active", scopes=grant.scopes, created=datetime.now(UTC)
        )
        return NewKey(key=Secret("x"), issued=made)

    async def change(self, which: str, change: KeyChange, judge: Judge) -> Sequence[IssuedKey]:
        """Nothing is different."""
        assert_type(change.blocked, bool | msgspec.UnsetType)
        judge((), await self.issued())
        return ()

    async def revoke(self, which: str, judge: Judge) -> Sequence[IssuedKey]:
        """Nobody is refused."""
        judge((), await self.issued())
        return ()

    async def rotate(self, which: str, judge: Judge, *, grace_s: float, expires: datetime | None) -> NewKey:
        """Never."""
        assert_type(expires, datetime | None)
        raise KeyNotFound(which)


class OneRole:
    """A book of roles."""

    def grants(self, principal: Principal) -> Grants:
        """The boss may do everything."""
        assert_type(principal.roles, frozenset[str])
        return Grants(scopes=frozenset({"*"}), models=None) if "boss" in principal.roles else Grants()


class Nowhere:
    """A KV store."""

    blocking = False

    def open(self, layout: str) -> Iterable[StateKey]:
        """Nothing is here from an earlier life."""
        return ()

    def put(self, key: StateKey, state: memoryview) -> bool:
        """Kept nowhere."""
        return False

    def get(self, key: StateKey) -> memoryview | None:
        """Not there."""
        return None

    def drop(self, key: StateKey) -> None:
        """Nothing to forget."""

    def clear(self) -> None:
        """Nothing to forget."""

    def refresh(self) -> Iterable[StateKey]:
        """Nothing comes by itself."""
        return ()

    def usage(self) -> StoreUsage:
        """Empty."""
        return StoreUsage(entries=0, used_bytes=0, limit_bytes=1)

    def close(self) -> None:
        """Nothing to give back."""


class Verbatim:
    """A reader of a dialect: all that comes is content."""

    holding = False
    reasoning = False
    malformed = False

    def feed(self, text: str) -> Sequence[Piece]:
        """As it comes."""
        return [ContentPiece(text)] if text else []

    def end(self, *, cut: bool) -> Sequence[Piece]:
        """Nothing was held back."""
        return ()


class Plain:
    """A dialect of models that only talk."""

    traits = Traits(tools=False)

    def open(self, chat: ChatPrompt, constraint: Constraint | None) -> Opening:
        """The template reads nothing but messages."""
        return Opening(variables={"messages": [message.content for message in chat.messages]}, constraint=constraint)

    def reader(self, chat: ChatPrompt, prompt_end: str) -> ChatReader:
        """One for each answer."""
        return Verbatim()


def plain(chat_format: ChatFormat, *, named: bool) -> ChatDialect | None:
    """A factory of dialects: only where it is named."""
    return Plain() if named else None


class Forgetful:
    """A record store."""

    async def put(self, record: Record, *, when: Literal["new", "there", "always"] = "always") -> bool:
        """There is never any room."""
        raise StoreFull("nothing is kept")

    async def get(self, kind: str, record_id: str, tenant: str) -> Record | None:
        """Not there."""
        return None

    async def delete(self, kind: str, record_id: str, tenant: str) -> bool:
        """It was not there."""
        return False

    async def find(
        self,
        kind: str,
        tenant: str | None,
        *,
        parent: str = "",
        after: str = "",
        limit: int = 100,
        newest_first: bool = False,
    ) -> Sequence[Record]:
        """None."""
        return ()

    async def close(self) -> None:
        """Nothing to give back."""


class Shredder:
    """An audit sink."""

    def note(self, event: AuditEvent) -> None:
        """Nothing is kept."""

    async def write(self, event: AuditEvent) -> None:
        """Nothing is kept."""

    async def close(self) -> None:
        """Nothing to give back."""


class Chest:
    """A secret source."""

    def read(self, name: str) -> Secret:
        """All are the same."""
        return Secret("sesame")


class Blackboard:
    """A policy store."""

    async def since(self, version: int) -> Changes:
        """Nothing is written."""
        return Changes(version=version)

    async def change(self, version: int, documents: Mapping[DocumentName, bytes | None]) -> int:
        """Somebody else is always faster."""
        raise VersionConflict

    async def close(self) -> None:
        """Nothing to give back."""


class Pupil(Idle):
    """What goes by documents besides."""

    document_kind = "lesson"

    def governed(self, documents: Documents) -> None:
        """It never changes any."""

    async def check(self, documents: Mapping[str, bytes]) -> None:
        """None is good."""
        assert_type(documents["one"], bytes)
        raise InvalidRequest("no", param="lesson/one")

    async def adopt(self, documents: Mapping[str, bytes]) -> None:
        """As it is told."""

    def described(self, name: str, before: bytes | None, after: bytes | None) -> str:
        """By its name."""
        assert_type(before or after, bytes | None)
        return name

    def check_document(self, name: str, content: bytes) -> None:
        """None is good."""
        raise InvalidRequest("no", param=name)

    @property
    def inventory(self) -> Inventory:
        """Always the same."""
        return Inventory(kind="lesson", source="file", count=1, state="1")

    def watch(self, tell: Tell) -> None:
        """Something has changed."""
        tell(OutsideChange(kind="lesson", source="file", changed=("one",)))


class Never:
    """A policy engine, with its workbench."""

    async def decide(self, question: PolicyInput) -> Decision:
        """Nobody may anything."""
        assert_type(question.request.flags, tuple[str, ...])
        return Decision(allow=False, reasons=("never",))

    async def explain(self, question: PolicyInput) -> Explanation:
        """There is not much to say."""
        return Explanation(decision=await self.decide(question))

    async def test(self) -> Sequence[PolicyTest]:
        """One."""
        return [PolicyTest(name="never", passed=True)]

    async def close(self) -> None:
        """Nothing to give back."""


class Taken:
    """A reservation."""

    standings: Sequence[Standing] = ()

    async def begin(self, prompt_tokens: int) -> None:
        """It is not counted."""

    async def leave_queue(self) -> None:
        """There is none."""

    async def settle(self, spent: Spent) -> None:
        """It is not counted."""
        assert_type(spent.cached_tokens, int)

    async def release(self) -> None:
        """There is enough."""


class Plenty:
    """A limiter."""

    async def reserve(self, claim: Claim) -> Taken:
        """For everybody but one."""
        if claim.user == "somebody":
            error = LimitExceeded("enough", retry_after=60.0)
            error.standings = (Standing(measure="requests", limit=1, remaining=0, reset_s=60.0),)
            raise error
        return Taken()

    async def close(self) -> None:
        """Nothing to give back."""


class OpenBook:
    """What a limiter may have besides."""

    async def entries(self, only: Mapping[str, str]) -> Sequence[LimitEntry]:
        """Nobody has asked for anything."""
        return ()

    async def reset(self, only: Mapping[str, str]) -> int:
        """There is nothing to set to zero."""
        return 0


class Fine:
    """A check."""

    def run(self) -> CheckResult:
        """Always."""
        return CheckResult(level="ok", message="fine")


# --- every hook, with all its arguments ------------------------------------------------------------------------------


class Deaf:
    """A guardrail that finds nothing."""

    traits = GuardrailTraits(stages=frozenset({"input", "output"}), longest=1)

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    def concerns(self, subject: Subject) -> bool:
        """Everybody."""
        return bool(subject.model)

    async def judge(self, subject: Subject, texts: Sequence[GuardedText]) -> Sequence[Verdict]:
        """Nothing is found."""
        probabilities = await self._asking.classify("judge", [text.text for text in texts])
        assert_type(probabilities, "Sequence[Mapping[str, float]]")
        return [self.scan(subject, text) for text in texts]

    def scan(self, subject: Subject, text: GuardedText) -> Verdict:
        """The same at once."""
        return Verdict()

    async def close(self) -> None:
        """Nothing to give back."""


@hookimpl
def jackfield_config(instance: PluginInstance) -> type[msgspec.Struct]:
    """Options."""
    return Options


@hookimpl
def jackfield_backends(instance: PluginInstance) -> Mapping[str, BackendFactory]:
    """A class is a factory."""
    return {instance.name: LettersBackend}


@hookimpl
def jackfield_schedulers(instance: PluginInstance) -> Mapping[str, SchedulerFactory]:
    """A class is a factory."""
    return {instance.name: Idle}


@hookimpl
def jackfield_constraints(instance: PluginInstance) -> Mapping[str, ConstraintEngineFactory]:
    """It gets the tokenizer."""
    return {instance.name: LetterEngine}


@hookimpl
def jackfield_kv_stores(instance: PluginInstance) -> Mapping[str, KVStoreFactory]:
    """It gets the model's name."""

    def make(model: str) -> KVStore:
        assert_type(model, str)
        return Nowhere()

    return {instance.name: make}


@hookimpl
def jackfield_record_stores(instance: PluginInstance) -> Mapping[str, RecordStoreFactory]:
    """A class is a factory."""
    return {instance.name: Forgetful}


@hookimpl
def jackfield_dialects(instance: PluginInstance) -> Mapping[str, DialectFactory]:
    """It gets the model's template."""
    return {instance.name: plain}


@hookimpl
def jackfield_frontends(instance: PluginInstance) -> Mapping[str, FrontendFactory]:
    """It gets the gateway."""
    return {instance.name: Hello}


@hookimpl
def jackfield_authenticators(instance: PluginInstance) -> Mapping[str, AuthenticatorFactory]:
    """Configured."""
    options = instance.config(Options)
    assert_type(options.token, Secret)
    return {instance.name: lambda: OneToken(options.token)}


@hookimpl
def jackfield_roles(instance: PluginInstance) -> Mapping[str, RoleBookFactory]:
    """One book."""
    return {instance.name: OneRole}


@hookimpl
def jackfield_audit_sinks(instance: PluginInstance) -> Mapping[str, AuditSinkFactory]:
    """A class is a factory."""
    return {instance.name: Shredder}


@hookimpl
def jackfield_secrets(instance: PluginInstance) -> Mapping[str, SecretSourceFactory]:
    """By scheme."""
    return {"chest": Chest}


@hookimpl
def jackfield_limiters(instance: PluginInstance) -> Mapping[str, LimiterFactory]:
    """A class is a factory."""
    return {instance.name: Plenty}


@hookimpl
def jackfield_guardrails(instance: PluginInstance) -> Mapping[str, GuardrailFactory]:
    """It gets the server's models."""
    return {instance.name: Deaf}


@hookimpl
def jackfield_policies(instance: PluginInstance) -> Mapping[str, PolicyEngineFactory]:
    """A class is a factory."""
    return {instance.name: Never}


@hookimpl
def jackfield_policy_stores(instance: PluginInstance) -> Mapping[str, PolicyStoreFactory]:
    """A class is a factory."""
    return {instance.name: Blackboard}


@hookimpl
def jackfield_observers(instance: PluginInstance) -> Mapping[str, ObserverFactory]:
    """A class is a factory."""
    return {instance.name: Page}


@hookimpl
def jackfield_checks(instance: PluginInstance) -> Mapping[str, CheckFactory]:
    """A class is a factory."""
    return {f"{instance.name} is fine": Fine}


@hookimpl
def jackfield_startup(instance: PluginInstance, process: ProcessKind) -> None:
    """Only two kinds of process load plugins."""
    if process == "supervisor":  # type: ignore[comparison-overlap]
        raise AssertionError


@hookimpl
def jackfield_shutdown(instance: PluginInstance, process: ProcessKind) -> None:
    """Nothing to give back."""


@hookimpl
def jackfield_commands(instance: PluginInstance) -> Sequence[click.Command]:
    """One."""
    return [click.Command("letters")]


# --- what fits where, and what does not ------------------------------------------------------------------------------


def what_fits(gateway: Gateway, info: ModelInfo, limits: RunnerLimits) -> None:
    """No base class anywhere."""
    reusable: ReusableRunner = KeptLetters(info, limits)
    backend: Backend = LettersBackend()
    scheduler: Scheduler = Idle()
    constraints: ConstraintEngine = LetterEngine(Letters())
    observer: Observer = Page()
    exposition: Exposition = Page()
    frontend: Frontend = Hello(gateway)
    authenticator: Authenticator = OneToken(Secret("x"))
    issuer: KeyIssuer = FewKeys(Secret("x"))
    reviewer: Reviewer = KnownHolder(Secret("x"))
    check: Check = Fine()
    documents: PolicyStore = Blackboard()
    governed: Governed = Pupil()
    limiter: Limiter = Plenty()
    book: LimitBook = OpenBook()
    policy: PolicyEngine = Never()
    workbench: PolicyWorkbench = Never()
    store: KVStore = Nowhere()
    print(
        backend,
        scheduler,
        constraints,
        observer,
        exposition,
        frontend,
        authenticator,
        issuer,
        reviewer,
        check,
        documents,
        governed,
        limiter,
        book,
        policy,
        workbench,
        store,
        reusable,
    )


def what_does_not_fit(kernel: Kernel, gateway: Gateway) -> None:
    """Each of these is an error in an author's editor."""
    backend: Backend = Idle()  # type: ignore[assignment]  # no load
    authenticator: Authenticator = SyncToken()  # type: ignore[assignment]  # not a coroutine
    check: Check = TextCheck()  # type: ignore[assignment]  # no CheckResult
    engines: ConstraintEngineFactory = Alphabet  # type: ignore[assignment]  # takes letters, and compiles nothing
    policies: PolicyEngineFactory = Idle  # type: ignore[assignment]  # decides nothing
    frontends: FrontendFactory = Page  # type: ignore[assignment]  # takes no gateway
    CheckResult(level="bad", message="x")  # type: ignore[arg-type]  # no such level
    Principal(id="x", name="x")  # type: ignore[call-arg]  # no fingerprint
    Options(token="plain")  # type: ignore[arg-type]
    Route("FETCH", "/", Hello(gateway)._hello)  # type: ignore[arg-type]  # no such method
    StepPlan([3])  # type: ignore[list-item]  # chunks, not ids
    stores: KVStoreFactory = Nowhere  # type: ignore[assignment]  # takes no model
    kernel.authenticators()["x"](gateway)  # type: ignore[call-arg]  # takes nothing
    print(backend, authenticator, check, engines, policies, frontends, stores)


class SyncToken:
    """No authenticator: the event loop awaits."""

    def authenticate(self, credential: Credential) -> Principal | None:
        """At once."""
        return None


class TextCheck:
    """No check: what to do would be lost."""

    def run(self) -> str:
        """A text."""
        return "fine"
