"""Policy (gateway)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.hookspecs.markers import hookspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.plugin_instance import PluginInstance
    from jackfield.ports.audit import AuditSinkFactory
    from jackfield.ports.guardrail import GuardrailFactory
    from jackfield.ports.identity import AuthenticatorFactory
    from jackfield.ports.limiter import LimiterFactory
    from jackfield.ports.policy import PolicyEngineFactory
    from jackfield.ports.policy_store import PolicyStoreFactory
    from jackfield.ports.roles import RoleBookFactory
    from jackfield.ports.secret_source import SecretSourceFactory


@hookspec
def jackfield_authenticators(instance: PluginInstance) -> Mapping[str, AuthenticatorFactory]:
    """Hand over authenticators: what tells who presents a credential.

    Nobody implements it: whoever reaches the port may use it, so the server listens on loopback only, and refuses hosts
    and origins that are neither loopback nor allow-listed.

    Several answers: united; each is asked in turn, first listed first, until one knows the credential or refuses it.

    :param instance: The instance asked.
    :returns: Factories by name. What one makes may be a ``jackfield.ports.key_issuer.KeyIssuer`` besides: then its keys
        can be managed while the server runs. It may be a ``jackfield.ports.reviewer.Reviewer``: then work that goes on
        when its request is over ends with the caller's rights. It may be a
        ``jackfield.ports.identity.ClosingAuthenticator``: then it is told that the gateway ends.
    :raises: Anything raised is a ``PluginError`` that names the plugin.

    Process and thread: gateway, main thread, before its event loop serves. Deadline: 1 s. Failure policy: closed.

    Since API 0.1.
    """
    raise NotImplementedError


@hookspec
def jackfield_roles(instance: PluginInstance) -> Mapping[str, RoleBookFactory]:
    """Hand over role books: what scopes and models roles bring.

    Nobody implements it: roles bring nothing; a principal may what its credential allows.

    Several answers: united; what any of them brings is brought.

    :param instance: The instance asked.
    :returns: Factories by name.
    :raises: Anything raised is a ``PluginError`` that names the plugin.

    Process and thread: gateway, main thread, before its event loop serves. Deadline: 1 s. Failure policy: closed.

    Since API 0.1.
    """
    raise NotImplementedError


@hookspec
def jackfield_policies(instance: PluginInstance) -> Mapping[str, PolicyEngineFactory]:
    """Hand over policy engines: whether a caller may do what it asks, and on what conditions.

    Nobody implements it: whoever has the scope of a route, and may use the model, may.

    Several answers: united; all are asked at the same time. One deny wins; of what several oblige to, the strictest
    holds.

    :param instance: The instance asked.
    :returns: Factories by name. What one makes may be a ``jackfield.ports.policy.PolicyWorkbench`` besides, for
        ``jackfield policy``.
    :raises: Anything raised is a ``PluginError`` that names the plugin.

    Process and thread: gateway, main thread, before its event loop serves. Deadline: 1 s. Failure policy: closed.

    Since API 0.1.
    """
    raise NotImplementedError


@hookspec
def jackfield_limiters(instance: PluginInstance) -> Mapping[str, LimiterFactory]:
    """Hand over limiters: how much a caller may use.

    Nobody implements it: nobody is limited but by the room that models have.

    Several answers: united; all must agree, first listed first.

    :param instance: The instance asked.
    :returns: Factories by name.
    :raises: Anything raised is a ``PluginError`` that names the plugin.

    Process and thread: gateway, main thread, before its event loop serves. Deadline: 1 s. Failure policy: closed.

    Since API 0.1.
    """
    raise NotImplementedError


@hookspec
def jackfield_guardrails(instance: PluginInstance) -> Mapping[str, GuardrailFactory]:
    """Hand over guardrails: checks of what goes into models and comes out of them.

    Nobody implements it: nothing is checked, and ``/v1/moderations`` is refused with 400.

    Several answers: united; those that mask run one after the other, first listed first; then all others at the
    same time. The worst verdict wins.

    :param instance: The instance asked.
    :returns: Factories by name; obligations of policies name them so.
    :raises: Anything raised is a ``PluginError`` that names the plugin.

    Process and thread: gateway, main thread, before its event loop serves. Deadline: 1 s. Failure policy: closed.

    Since API 0.1.
    """
    raise NotImplementedError


@hookspec
def jackfield_audit_sinks(instance: PluginInstance) -> Mapping[str, AuditSinkFactory]:
    """Hand over audit sinks: the record of what was decided.

    Nobody implements it: nothing is recorded but in the log.

    Several answers: united; every event goes to all, and each must have written it.

    :param instance: The instance asked.
    :returns: Factories by name.
    :raises: Anything raised is a ``PluginError`` that names the plugin.

    Process and thread: gateway, main thread, before its event loop serves. Deadline: 1 s. Failure policy: closed.

    Since API 0.1.
    """
    raise NotImplementedError


@hookspec
def jackfield_policy_stores(instance: PluginInstance) -> Mapping[str, PolicyStoreFactory]:
    """Hand over policy stores: rules that change while servers run, shared by gateways.

    Nobody implements it: rules stand in ``plugins.toml`` and files, and routes that change them answer 404.

    Several answers: united by name; the first one listed in ``enabled`` is used.

    :param instance: The instance asked.
    :returns: Factories by name.
    :raises: Anything raised is a ``PluginError`` that names the plugin.

    Process and thread: gateway, main thread, before its event loop serves. Deadline: 1 s. Failure policy: closed.

    Since API 0.1.
    """
    raise NotImplementedError


@hookspec
def jackfield_secrets(instance: PluginInstance) -> Mapping[str, SecretSourceFactory]:
    """Hand over secret sources: where keys, tokens and passphrases come from.

    Nobody implements it: the packaged ``secrets`` plugin is enabled by default, and banner and ``plugins list`` say so.

    Several answers: united by name, which is the scheme that options use.

    :param instance: The instance asked.
    :returns: Factories by scheme.
    :raises: Anything raised is a ``PluginError`` that names the plugin.

    Process and thread: every process that builds a kernel, main thread. Deadline: 1 s. Failure policy: closed.

    Since API 0.1.
    """
    raise NotImplementedError
