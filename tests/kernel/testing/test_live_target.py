"""The same scenarios run against a URL."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

    from jackfield.testing.target import Target

pytest_plugins = ["pytester"]


def test_a_target_that_does_not_answer_ends_the_run(pytester: pytest.Pytester) -> None:
    """With an exit code of its own: nothing was tested."""
    pytester.makeconftest('pytest_plugins = ["jackfield.testing"]')
    pytester.makepyfile("def test_it(target): pass")
    # port 9 is "discard", which nobody serves
    result = pytester.runpytest_inprocess("--target", "http://127.0.0.1:9", "--target-wait", "0")
    assert result.ret == 2
    result.stdout.fnmatch_lines(["*http://127.0.0.1:9 does not answer GET /v1/models*"])


def test_scenarios_pass_against_a_url(pytester: pytest.Pytester, pytestconfig: pytest.Config, target: Target) -> None:
    """What is not bound to this process passes on a server that was there before; the rest is skipped, by name."""
    features = pytestconfig.rootpath / "features"
    pytester.makeini(f"[pytest]\nbdd_features_base_dir = {features}\nmarkers =")
    pytester.makeconftest('pytest_plugins = ["jackfield.testing"]')
    pytester.makepyfile('from pytest_bdd import scenarios\n\nscenarios("streaming", "health")\n')
    assert target.health is not None
    result = pytester.runpytest_inprocess("--target", target.url, "--target-health", target.health, "-rs")
    outcomes = result.parseoutcomes()
    assert outcomes["passed"] >= 3
    assert outcomes["skipped"] >= 3
    assert "failed" not in outcomes
    assert "errors" not in outcomes
