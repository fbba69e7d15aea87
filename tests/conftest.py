"""Loads Jackfield's own test kit, as every plugin's tests do."""

from __future__ import annotations

pytest_plugins = ["jackfield.testing"]
