"""What Jackfield and its plugins are tested with; shipped, so that plugin authors test with the same things.

Put ``pytest_plugins = ["jackfield.testing"]`` into ``tests/conftest.py``. That brings the option ``--target``, the
fixtures ``target``, ``servers`` and ``serve``, the guards of ``jackfield.testing.plugin`` and the Gherkin vocabulary of
``jackfield.testing.steps`` (described in ``features/README.md``). Conformance kits are in ``jackfield.testing.kits``.
Needs the extra ``testing``.
"""

from __future__ import annotations

from typing import Final

__all__ = ["pytest_plugins"]

pytest_plugins: Final = (
    "jackfield.testing.plugin",
    "jackfield.testing.steps.admin",
    "jackfield.testing.steps.anthropic",
    "jackfield.testing.steps.audit",
    "jackfield.testing.steps.caching",
    "jackfield.testing.steps.chat",
    "jackfield.testing.steps.clients",
    "jackfield.testing.steps.command_line",
    "jackfield.testing.steps.description",
    "jackfield.testing.steps.dialects",
    "jackfield.testing.steps.compatibility",
    "jackfield.testing.steps.embeddings",
    "jackfield.testing.steps.errors",
    "jackfield.testing.steps.guardrail_rules",
    "jackfield.testing.steps.guardrails",
    "jackfield.testing.steps.health",
    "jackfield.testing.steps.identity",
    "jackfield.testing.steps.keys",
    "jackfield.testing.steps.limits",
    "jackfield.testing.steps.llama_server",
    "jackfield.testing.steps.ollama",
    "jackfield.testing.steps.plugin_files",
    "jackfield.testing.steps.policies",
    "jackfield.testing.steps.policy_store",
    "jackfield.testing.steps.processes",
    "jackfield.testing.steps.reasoning",
    "jackfield.testing.steps.rego",
    "jackfield.testing.steps.responses",
    "jackfield.testing.steps.resumption",
    "jackfield.testing.steps.scheduling",
    "jackfield.testing.steps.servers",
    "jackfield.testing.steps.sharing",
    "jackfield.testing.steps.stored",
    "jackfield.testing.steps.streaming",
    "jackfield.testing.steps.structured",
    "jackfield.testing.steps.tokens",
    "jackfield.testing.steps.tools",
    "jackfield.testing.steps.transport",
)
"""The modules that pytest loads: fixtures and hooks first, then the steps by subject."""
