"""Loads Jackfield's own test kit, as every plugin's tests do."""

from __future__ import annotations

import signal
from typing import Final

from hypothesis import HealthCheck, settings

PATIENT: Final = "patient"
"""Hypothesis's usual profile, but for one thing that its profile for CI leaves out as well: how fast a machine makes up
inputs says nothing of the code. The first ones of a fresh checkout wait for tables of Unicode, which are then kept."""

pytest_plugins = ["jackfield.testing"]

collect_ignore = ["thirdparty"]
"""Distributions with tests of their own; ``.ci/run`` installs them and runs these."""


settings.register_profile(PATIENT, suppress_health_check=[HealthCheck.too_slow])
if settings.get_current_profile_name() == "default":
    settings.load_profile(PATIENT)


def pytest_configure() -> None:
    """Take back what a shell in the background, or nohup, has these signals ignored for: our programs inherit it."""
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, usual)
