"""The error tree, and the one table that maps it to HTTP.

::

    JackfieldError
    ├── ClientError                    their fault: 4xx
    │   ├── InvalidRequest             a field has a value that cannot be used
    │   │   ├── UnknownField           a field nobody knows
    │   │   ├── UnsupportedField       a documented field that cannot be honoured here
    │   │   ├── ContextLengthExceeded  the prompt does not fit the model's context
    │   │   ├── NothingToDraw          what is demanded of the answer leaves no token to draw
    │   │   └── MalformedBody          not JSON, or not an object
    │   ├── ModelNotFound              no model or alias of that name
    │   ├── RouteNotFound              no frontend serves that path
    │   ├── RecordNotFound             no stored response, file or batch of that id
    │   ├── KeyNotFound                no key of that name or fingerprint
    │   ├── NotEnabled                 what the route does needs a plugin that is not enabled
    │   ├── Conflict                   not in the state that things are in now
    │   ├── NoRoomLeft                 the record store is full, and nothing may give way
    │   ├── MethodNotAllowed           the path exists, the method does not
    │   ├── BodyTooLarge               the body exceeds ``kernel.body_limit_bytes``
    │   ├── Unauthenticated            no authenticator gave a principal
    │   │   ├── CredentialMissing      the request has none
    │   │   ├── CredentialExpired      it was good until its time was over
    │   │   ├── CredentialRevoked      it was good until somebody took it back
    │   │   └── CredentialBlocked      somebody has put it out of use for a while
    │   ├── AuthenticationThrottled    too many bad credentials from one address
    │   ├── ForeignOrigin              Host or Origin is neither loopback nor allow-listed
    │   ├── ContentBlocked             a guardrail blocked what it says, or what would be answered
    │   └── DeadlineExceeded           waited longer than the request allowed
    ├── PolicyDenied                   a policy said no
    │   └── InsufficientScope          the caller is known and may not use this route
    ├── LimitExceeded                  the caller has used what it may use for now
    │   └── BudgetExceeded             the same, of tokens or money for a long time
    ├── Overloaded                     retriable: too much work right now
    │   ├── AtCapacity                 a bound of this server is reached; status ``kernel.overload_status``
    │   │   ├── QueueFull              the model's bounded queue is full
    │   │   ├── DeadlineInfeasible     the queue is too long for the request's deadline
    │   │   └── TooManyConnections     the server, or one address, has as many connections as it may
    │   ├── BodiesInFlight             other requests' bodies take all the memory there is for them
    │   ├── ModelNotReady              the model is loading or its worker is being restarted
    │   └── Draining                   this server is going down; ask another replica
    ├── BackendFault                   ours: 5xx
    │   ├── WorkerDied                 the worker process ended while it served the request
    │   ├── ModelLoadError             the model file cannot be loaded or does not fit
    │   ├── AuthenticatorFailed        an authenticator broke, or did not answer in time
    │   ├── PolicyUnavailable          a policy engine, or the policy store, broke or did not answer in time
    │   ├── LimiterFailed              a limiter broke, or did not answer in time
    │   ├── GuardrailFailed            a guardrail broke, or did not answer in time
    │   ├── AuditFailed                what was decided cannot be recorded
    │   ├── StoreUnavailable           the record store or the policy store broke, or did not answer in time
    │   ├── KVExhausted                the KV pool has no cell left (the engine preempts; a client never sees it)
    │   └── InternalError              a defect: an exception nobody expected
    ├── ManifestError                  start-up: plugins.toml cannot be used
    ├── PluginError                    start-up: a plugin cannot be loaded or broke its contract
    └── ChannelError                   two of our processes cannot understand each other

Messages reach clients: no prompt, key, path of the host or internal address; what an operator needs goes to the log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jackfield.error_spec import ErrorSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.context import Room
    from jackfield.ports.limiter import Standing


class JackfieldError(Exception):
    """Base of everything Jackfield raises on purpose.

    Parameters:
        message: One sentence for the person who can act on it. See the module's note on what it must not contain.
        param: Name of the request field or configuration key at fault, or None.
        retry_after: Seconds after which a retry may succeed; None takes the class's own from ``HTTP``.
    """

    def __init__(self, message: str, *, param: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.status: int | None = None
        """What the kernel was configured to answer, where that is not the class's own status; see ``http``."""
        self.retry_after = retry_after if retry_after is not None else http(self).retry_after


class ClientError(JackfieldError):
    """The request cannot be served as it is; sending it again unchanged gives the same answer."""


class InvalidRequest(ClientError):
    """A field of the request has a value that cannot be used; ``param`` names it."""


class UnknownField(InvalidRequest):
    """The request has a field that this API does not know (strict mode)."""


class UnsupportedField(InvalidRequest):
    """The request asks, through a documented field, for something this server cannot do."""


class ContextLengthExceeded(InvalidRequest):
    """The prompt has as many tokens as the model's context, or more."""

    sizes: tuple[int, int] | None = None
    """Tokens of the prompt and of the context; None where nobody has counted."""


class NothingToDraw(InvalidRequest):
    """What the request demands of its answer leaves no token that may be drawn next."""


class MalformedBody(InvalidRequest):
    """The body is not the JSON object that the route takes."""


class ModelNotFound(ClientError):
    """No model and no alias has the requested name."""


class RouteNotFound(ClientError):
    """No enabled frontend serves the path."""


class RecordNotFound(ClientError):
    """The caller has kept no such chat, response, stream, file or batch, or it has expired."""


class KeyNotFound(ClientError):
    """No key has that name or fingerprint."""


class NotEnabled(ClientError):
    """What the route does needs a plugin that is not enabled; the message says which kind."""


class Conflict(ClientError):
    """It cannot be done in the state that things are in now, such as a name that is taken."""


class NoRoomLeft(ClientError):
    """The record store is full, and nothing in it may give way."""


class MethodNotAllowed(ClientError):
    """The path is served, but not with this HTTP method."""


class BodyTooLarge(ClientError):
    """The request body exceeds ``kernel.body_limit_bytes``."""


class Unauthenticated(ClientError):
    """No enabled authenticator recognised the caller.

    Parameters:
        message, param, retry_after: See ``JackfieldError``.
        fingerprint: Of the credential that was refused, for the log; empty where nobody knows the credential.
    """

    def __init__(
        self, message: str, *, param: str | None = None, retry_after: float | None = None, fingerprint: str = ""
    ) -> None:
        super().__init__(message, param=param, retry_after=retry_after)
        self.fingerprint = fingerprint


class CredentialMissing(Unauthenticated):
    """The request has no credential, and the route is not public."""


class CredentialExpired(Unauthenticated):
    """The credential was good once; its time is over."""


class CredentialRevoked(Unauthenticated):
    """The credential was good once; somebody took it back."""


class CredentialBlocked(Unauthenticated):
    """The credential is somebody's who has been put out of use; it may be good again."""


class AuthenticationThrottled(ClientError):
    """One address has sent too many bad credentials; good ones still pass."""


class ForeignOrigin(ClientError):
    """Without an authenticator only loopback and allow-listed hosts and origins are served (DNS rebinding, CSRF)."""


class ContentBlocked(ClientError):
    """A guardrail blocked the request, or its answer. The message names the category, and never repeats the text."""

    category: str = ""
    """What kind of thing it was."""


class DeadlineExceeded(ClientError):
    """The request waited longer than its deadline."""


class PolicyDenied(JackfieldError):
    """A policy refused the request."""

    decision_id: str = ""
    """Names the decision in the audit record; empty where no policy engine has decided."""


class LimitExceeded(JackfieldError):
    """The caller has used what it may use for now."""

    standings: tuple[Standing, ...] = ()
    """What is left of the limits that apply."""
    measure: str = ""
    """What there is not so much left of: a ``jackfield.ports.limiter.Measure``."""
    scope: str = ""
    """Whose limit it is, as ``Standing.scope`` says it."""


class BudgetExceeded(LimitExceeded):
    """The caller has used up a budget; it begins anew when its period does."""


class InsufficientScope(PolicyDenied):
    """The caller is known, and lacks the scope of the route."""


class Overloaded(JackfieldError):
    """There is too much work right now; the same request may succeed later."""


class AtCapacity(Overloaded):
    """A bound that the operator has set is reached; the operator chooses the status that says so."""

    room: Room | None = None
    """What room the model had; None where it is not a model's that is missing."""


class QueueFull(AtCapacity):
    """The bounded queue of the model is full."""


class DeadlineInfeasible(AtCapacity):
    """The requests that wait already will take longer than this one's deadline allows."""


class TooManyConnections(AtCapacity):
    """The server, or the client's address, has as many connections as it may have."""


class BodiesInFlight(Overloaded):
    """The bodies of other requests take all the memory there is for bodies."""


class ModelNotReady(Overloaded):
    """The model is still loading, or its worker is being restarted."""


class Draining(Overloaded):
    """The server refuses new work because it is shutting down."""


class BackendFault(JackfieldError):
    """The request was fine; this side failed."""


class WorkerDied(BackendFault):
    """The worker process ended while it was serving the request."""


class ModelLoadError(BackendFault):
    """The model cannot be loaded. The message names the file by its base name and says what to do."""


class AuthenticatorFailed(BackendFault):
    """An authenticator broke or did not answer in time: nobody can tell who calls, so nobody is served."""


class PolicyUnavailable(BackendFault):
    """A policy engine broke or did not answer in time, or the policies are too old: nobody is allowed anything."""


class LimiterFailed(BackendFault):
    """A limiter broke or did not answer in time: nobody can tell what is left."""


class GuardrailFailed(BackendFault):
    """A guardrail broke or did not answer in time: nobody can tell whether the text may pass."""


class AuditFailed(BackendFault):
    """What was decided cannot be recorded, and must be."""


class StoreUnavailable(BackendFault):
    """The record store, or the policy store, broke or did not answer in time."""


class KVExhausted(BackendFault):
    """The KV pool has no free cell. Raised by ``Runner.decode``; the engine answers it by preempting a sequence."""


class InternalError(BackendFault):
    """An exception nobody expected. The client gets the request id; the log gets the traceback."""


class ManifestError(JackfieldError):
    """``plugins.toml`` (or an override of it) cannot be used; the message has file, line and key path."""


class PluginError(JackfieldError):
    """A plugin cannot be loaded, or broke the contract of a hook or port; the message names it."""


class ChannelError(JackfieldError):
    """A message between two of our processes is damaged, oversized or of an unknown kind."""


HTTP: Final[Mapping[type[JackfieldError], ErrorSpec]] = {
    JackfieldError: ErrorSpec(500, "server_error", "error", False),
    ClientError: ErrorSpec(400, "invalid_request_error", "client_error", False),
    InvalidRequest: ErrorSpec(400, "invalid_request_error", "invalid_value", False),
    UnknownField: ErrorSpec(400, "invalid_request_error", "unknown_parameter", False),
    UnsupportedField: ErrorSpec(400, "invalid_request_error", "unsupported_parameter", False),
    ContextLengthExceeded: ErrorSpec(400, "invalid_request_error", "context_length_exceeded", False),
    NothingToDraw: ErrorSpec(400, "invalid_request_error", "nothing_to_draw", False),
    MalformedBody: ErrorSpec(400, "invalid_request_error", "malformed_body", False),
    ModelNotFound: ErrorSpec(404, "invalid_request_error", "model_not_found", False),
    RouteNotFound: ErrorSpec(404, "invalid_request_error", "unknown_url", False),
    RecordNotFound: ErrorSpec(404, "invalid_request_error", "not_found", False),
    KeyNotFound: ErrorSpec(404, "invalid_request_error", "key_not_found", False),
    NotEnabled: ErrorSpec(404, "invalid_request_error", "not_enabled", False),
    Conflict: ErrorSpec(409, "invalid_request_error", "conflict", False),
    NoRoomLeft: ErrorSpec(400, "invalid_request_error", "store_full", False),
    MethodNotAllowed: ErrorSpec(405, "invalid_request_error", "method_not_allowed", False),
    BodyTooLarge: ErrorSpec(413, "invalid_request_error", "request_too_large", False),
    Unauthenticated: ErrorSpec(401, "authentication_error", "invalid_api_key", False),
    CredentialMissing: ErrorSpec(401, "authentication_error", "missing_api_key", False),
    CredentialExpired: ErrorSpec(401, "authentication_error", "expired_api_key", False),
    CredentialRevoked: ErrorSpec(401, "authentication_error", "revoked_api_key", False),
    CredentialBlocked: ErrorSpec(401, "authentication_error", "blocked_api_key", False),
    AuthenticationThrottled: ErrorSpec(429, "rate_limit_error", "too_many_failures", False),
    ForeignOrigin: ErrorSpec(403, "permission_error", "foreign_origin", False),
    ContentBlocked: ErrorSpec(400, "invalid_request_error", "content_policy_violation", False),
    DeadlineExceeded: ErrorSpec(408, "timeout_error", "deadline_exceeded", True),
    PolicyDenied: ErrorSpec(403, "permission_error", "policy_denied", False),
    InsufficientScope: ErrorSpec(403, "permission_error", "insufficient_scope", False),
    LimitExceeded: ErrorSpec(429, "rate_limit_error", "rate_limit_exceeded", True, 1.0),
    BudgetExceeded: ErrorSpec(429, "insufficient_quota", "insufficient_quota", False),
    Overloaded: ErrorSpec(503, "overloaded_error", "overloaded", True, 1.0),
    AtCapacity: ErrorSpec(429, "rate_limit_error", "at_capacity", True, 1.0),
    QueueFull: ErrorSpec(429, "rate_limit_error", "queue_full", True, 1.0),
    DeadlineInfeasible: ErrorSpec(429, "rate_limit_error", "deadline_infeasible", True, 1.0),
    TooManyConnections: ErrorSpec(429, "rate_limit_error", "too_many_connections", True, 1.0),
    BodiesInFlight: ErrorSpec(503, "overloaded_error", "bodies_in_flight", True, 1.0),
    ModelNotReady: ErrorSpec(503, "overloaded_error", "model_not_ready", True, 2.0),
    Draining: ErrorSpec(503, "overloaded_error", "draining", True, 1.0),
    BackendFault: ErrorSpec(500, "server_error", "backend_fault", True),
    WorkerDied: ErrorSpec(503, "server_error", "worker_died", True, 1.0),
    ModelLoadError: ErrorSpec(503, "server_error", "model_load_failed", False),
    AuthenticatorFailed: ErrorSpec(503, "server_error", "authentication_unavailable", True, 1.0),
    PolicyUnavailable: ErrorSpec(503, "server_error", "policy_unavailable", True, 1.0),
    LimiterFailed: ErrorSpec(503, "server_error", "limiter_unavailable", True, 1.0),
    GuardrailFailed: ErrorSpec(503, "server_error", "guardrail_unavailable", True, 1.0),
    AuditFailed: ErrorSpec(503, "server_error", "audit_unavailable", True, 1.0),
    StoreUnavailable: ErrorSpec(503, "server_error", "store_unavailable", True, 1.0),
    KVExhausted: ErrorSpec(503, "server_error", "kv_exhausted", True, 1.0),
    InternalError: ErrorSpec(500, "server_error", "internal_error", False),
    ManifestError: ErrorSpec(500, "server_error", "manifest_error", False),
    PluginError: ErrorSpec(500, "server_error", "plugin_error", False),
    ChannelError: ErrorSpec(500, "server_error", "channel_error", False),
}
"""Every class of the tree has a row of its own; ``tests/kernel/test_errors.py`` holds the two together."""


def http(error: JackfieldError) -> ErrorSpec:
    """The HTTP row of *error*, or of its nearest listed ancestor; with another status where the kernel answers that."""
    for kind in type(error).__mro__:
        spec = HTTP.get(kind)
        if spec is not None:
            return spec if error.status is None else spec.at(error.status)
    raise AssertionError("JackfieldError itself is in the table")
