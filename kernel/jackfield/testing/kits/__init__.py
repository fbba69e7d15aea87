"""Conformance kits: one pytest class per port, which any implementation of that port must pass.

A plugin's test subclasses the kit and says which plugin it is about::

    from jackfield.testing.kits.scheduler import SchedulerKit


    class TestMyScheduler(SchedulerKit):
        manifest = 'enabled = ["my-plugin"]'

``jackfield verify`` runs the same kits for every port that a plugin implements; ``KITS`` is its list. What a kit must
be told, and the plugin's options meanwhile (``config``), stand in tables of ``verify.toml``, or of ``pyproject.toml``.
Where a plugin hands over several things, the table ``[PLUGIN.TABLE.NAME]`` is about one of them alone.
What cannot stand in a file, such as a key that is made anew each time, a function makes: ``[PLUGIN.prepare]`` says
``function = "module:name"``. It gets the ``Path`` of an empty folder, which is removed afterwards, and returns tables
that are laid over the written ones::

    def prepare(folder: Path) -> dict[str, dict[str, str]]:
        (folder / "tokens.txt").write_text("sesame")
        return {"config": {"file": str(folder / "tokens.txt")}, "authenticator": {"credential": "sesame"}}
"""

from __future__ import annotations

from typing import Final, NamedTuple


class KitEntry(NamedTuple):
    """Where a kit is, and what it is for."""

    hooks: tuple[str, ...]
    """The hooks whose answers it checks."""
    module: str
    """Below ``jackfield.testing.kits``."""
    kit: str
    """The class."""
    table: str | None = None
    """What the author's table for the kit is called; None where the kit need not be told anything."""
    factories: str | None = None
    """The method of ``Kernel`` that gives what the plugin hands over by name; each is checked by itself."""


OWN_TABLES: Final = frozenset({"config", "prepare"})
"""What an author may say besides what kits are told: the plugin's options, and the function that makes the rest."""

KITS: Final = (
    KitEntry(("jackfield_config",), "config", "ConfigKit"),
    KitEntry(("jackfield_startup", "jackfield_shutdown"), "lifecycle", "LifecycleKit"),
    KitEntry(("jackfield_checks",), "check", "CheckKit"),
    KitEntry(("jackfield_commands",), "commands", "CommandsKit"),
    KitEntry(("jackfield_backends",), "backend", "BackendKit", "backend", "backends"),
    KitEntry(("jackfield_backends",), "pooled_backend", "PooledBackendKit", "pooled", "backends"),
    KitEntry(("jackfield_schedulers",), "scheduler", "SchedulerKit", factories="schedulers"),
    KitEntry(("jackfield_constraints",), "constraint", "ConstraintKit", factories="constraints"),
    KitEntry(("jackfield_kv_stores",), "kv_store", "KVStoreKit", factories="kv_stores"),
    KitEntry(("jackfield_record_stores",), "records", "RecordStoreKit", factories="record_stores"),
    KitEntry(("jackfield_dialects",), "dialect", "DialectKit", "dialect", "dialects"),
    KitEntry(("jackfield_frontends",), "frontend", "FrontendKit", "frontend", "frontends"),
    KitEntry(("jackfield_authenticators",), "authenticator", "AuthenticatorKit", "authenticator", "authenticators"),
    KitEntry(("jackfield_authenticators",), "key_issuer", "KeyIssuerKit", "issuer", "authenticators"),
    KitEntry(("jackfield_roles",), "roles", "RoleBookKit", "roles", "roles"),
    KitEntry(("jackfield_audit_sinks",), "audit_sink", "AuditSinkKit", factories="audit_sinks"),
    KitEntry(("jackfield_secrets",), "secret_source", "SecretSourceKit", "source", "secrets"),
    KitEntry(("jackfield_policies",), "policy", "PolicyKit", "policy", "policies"),
    KitEntry(("jackfield_limiters",), "limiter", "LimiterKit", "limiter", "limiters"),
    KitEntry(("jackfield_guardrails",), "guardrail", "GuardrailKit", "guardrail", "guardrails"),
    KitEntry(("jackfield_policy_stores",), "policy_store", "PolicyStoreKit", factories="policy_stores"),
    KitEntry(("jackfield_observers",), "observer", "ObserverKit", factories="observers"),
)
"""Every kit, in the order in which they are run."""
