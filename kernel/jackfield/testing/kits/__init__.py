"""Conformance kits: one pytest class per port, which any implementation of that port must pass.

A plugin's test subclasses the kit and says which plugin it is about::

    from jackfield.testing.kits.scheduler import SchedulerKit


    class TestMyScheduler(SchedulerKit):
        manifest = 'enabled = ["my-plugin"]'

``jackfield verify`` runs the same kits for every port that a plugin implements; ``KITS`` is its list.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class KitEntry(NamedTuple):
    """Where a kit is, and what it is for."""

    hook: str
    """The hook whose answer it checks."""
    module: str
    """Below ``jackfield.testing.kits``."""
    kit: str
    """The class."""
    table: str | None = None
    """What the author's table for the kit is called; None where the kit need not be told anything."""
    factories: str | None = None
    """The method of ``Kernel`` that gives what the plugin hands over by name; each is checked by itself."""


KITS: Final = (
    KitEntry("jackfield_config", "config", "ConfigKit"),
    KitEntry("jackfield_startup", "lifecycle", "LifecycleKit"),
    KitEntry("jackfield_shutdown", "lifecycle", "LifecycleKit"),
    KitEntry("jackfield_checks", "check", "CheckKit"),
    KitEntry("jackfield_commands", "commands", "CommandsKit"),
    KitEntry("jackfield_backends", "backend", "BackendKit", "backend", "backends"),
    KitEntry("jackfield_backends", "pooled_backend", "PooledBackendKit", "pooled", "backends"),
    KitEntry("jackfield_schedulers", "scheduler", "SchedulerKit", factories="schedulers"),
    KitEntry("jackfield_frontends", "frontend", "FrontendKit", "frontend", "frontends"),
    KitEntry("jackfield_authenticators", "authenticator", "AuthenticatorKit", "authenticator", "authenticators"),
    KitEntry("jackfield_authenticators", "authenticator", "AuthenticatorKit", "authenticator", "authenticators"),
    KitEntry("jackfield_observers", "observer", "ObserverKit", factories="observers"),
)
"""Every kit, in the order in which they are run."""
