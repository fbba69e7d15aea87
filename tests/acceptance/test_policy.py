"""Runs ``features/policy``."""

from __future__ import annotations

from pytest_bdd import scenarios

scenarios("policy")
