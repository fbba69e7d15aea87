"""Loads Jackfield's own test kit, as every plugin's tests do."""

from __future__ import annotations

import signal

pytest_plugins = ["jackfield.testing"]

collect_ignore = ["thirdparty"]
"""Distributions with tests of their own; ``.ci/run`` installs them and runs these."""


def pytest_configure() -> None:
    """Take back what a shell in the background, or nohup, has these signals ignored for: our programs inherit it."""
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, usual)
