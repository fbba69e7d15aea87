"""The contract: every hook a plugin may implement.

Hooks wire, objects run. pluggy is synchronous, so hooks are called at start-up only; they hand over factories of
objects that implement a *port* (``jackfield.ports``), and requests and tokens then travel through plain method calls on
those.

What fires when:

1. Every process of Jackfield (gateway, worker, command line) builds its own kernel: each name in ``enabled`` is loaded,
   registered as one *instance*, and ``check_pending()`` refuses hooks that are not in this package.
2. ``jackfield_config`` of every instance; each ``[config.NAME]`` table is decoded and checked.
3. In a worker: ``jackfield_startup``, ``jackfield_backends``, ``jackfield_schedulers``, ``jackfield_constraints``,
   ``jackfield_kv_stores``.
   In a gateway: ``jackfield_startup``, ``jackfield_observers``, ``jackfield_audit_sinks``, ``jackfield_policy_stores``,
   ``jackfield_authenticators``, ``jackfield_roles``, ``jackfield_policies``, ``jackfield_limiters``,
   ``jackfield_guardrails``, ``jackfield_dialects``, ``jackfield_record_stores``, ``jackfield_frontends``.
   Wherever an option names a secret: ``jackfield_secrets``.
   On the command line: ``jackfield_commands``; in ``jackfield doctor``: ``jackfield_checks``.
4. In gateway and worker, after the last request: ``jackfield_shutdown``, in reverse order.

A hook is called once per instance with that instance's ``PluginInstance``, first listed first. Names of factories are
unique over all instances; two owners of one name are a start-up error that names both. Docstrings say, in this order:
what the hook is for, what happens when nobody implements it, how several answers combine, parameters, returns, errors,
process and thread, deadline and failure policy, since which API version.
"""

from __future__ import annotations

from jackfield.hookspecs.http import (
    jackfield_dialects,
    jackfield_frontends,
    jackfield_observers,
    jackfield_record_stores,
)
from jackfield.hookspecs.inference import (
    jackfield_backends,
    jackfield_config,
    jackfield_constraints,
    jackfield_kv_stores,
    jackfield_schedulers,
)
from jackfield.hookspecs.lifecycle import (
    jackfield_checks,
    jackfield_commands,
    jackfield_shutdown,
    jackfield_startup,
)
from jackfield.hookspecs.markers import PROJECT, ProcessKind, hookimpl, hookspec
from jackfield.hookspecs.policy import (
    jackfield_audit_sinks,
    jackfield_authenticators,
    jackfield_guardrails,
    jackfield_limiters,
    jackfield_policies,
    jackfield_policy_stores,
    jackfield_roles,
    jackfield_secrets,
)

__all__ = [
    "PROJECT",
    "ProcessKind",
    "hookimpl",
    "hookspec",
    "jackfield_audit_sinks",
    "jackfield_authenticators",
    "jackfield_backends",
    "jackfield_checks",
    "jackfield_commands",
    "jackfield_config",
    "jackfield_constraints",
    "jackfield_dialects",
    "jackfield_frontends",
    "jackfield_guardrails",
    "jackfield_kv_stores",
    "jackfield_limiters",
    "jackfield_observers",
    "jackfield_policies",
    "jackfield_policy_stores",
    "jackfield_record_stores",
    "jackfield_roles",
    "jackfield_schedulers",
    "jackfield_secrets",
    "jackfield_shutdown",
    "jackfield_startup",
]
