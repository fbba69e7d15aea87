"""Loads Jackfield's own test kit, as every plugin's tests do."""

from __future__ import annotations

pytest_plugins = ["jackfield.testing"]

collect_ignore = ["thirdparty"]
"""Distributions with tests of their own; ``.ci/run`` installs them and runs these."""
