"""The pytest plugin: guards that really fail, tags that really skip, and a header that says what was tested."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

FEATURE = """
Feature: A promise
  Scenario: It is kept
    Given something
"""

BINDER = """
from pytest_bdd import given, scenarios

scenarios("promise.feature")
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    """A suite of somebody else's, with one scenario."""
    pytester.makeini("[pytest]\nstrict_markers = true\nbdd_features_base_dir = .")
    pytester.makeconftest('pytest_plugins = ["jackfield.testing"]')
    pytester.makefile(".feature", promise=FEATURE)
    return pytester


@pytest.mark.parametrize("body", ["pass", "yield"])
def test_an_async_step_fails(suite: pytest.Pytester, body: str) -> None:
    """pytest-bdd never awaits it and would pass the scenario."""
    suite.makepyfile(BINDER + f'@given("something")\nasync def _step():\n    {body}\n')
    result = suite.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*step 'something' is async and would never be awaited*"])


def test_a_failed_step_is_shown_among_the_others(suite: pytest.Pytester) -> None:
    """A report names the step that failed."""
    suite.makepyfile(BINDER + '@given("something")\ndef _step():\n    assert False\n')
    result = suite.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["It is kept", "> Given something"])


TAGGED = """
@requires:openai
Feature: Promises
  @inprocess_only
  Scenario: Needs this process
    Given something

  @requires:no-such-plugin
  Scenario: Needs a plugin that is nowhere
    Given something

  Scenario Outline: Some need this process
    Given something

    Examples: anywhere
      | n |
      | 1 |

    @inprocess_only
    Examples: here
      | n |
      | 2 |
"""


@pytest.mark.parametrize(
    ("arguments", "passed", "reasons"),
    [
        pytest.param((), 3, ["*requires no-such-plugin*"], id="in process"),
        pytest.param(
            ("--target", "http://127.0.0.1:9", "--target-plugins", "openai"),
            1,
            ["*inprocess_only: the target is http://127.0.0.1:9*", "*requires no-such-plugin*"],
            id="live",
        ),
        pytest.param(("--target", "http://127.0.0.1:9"), 0, ["*requires openai*"], id="live, plugins unknown"),
    ],
)
def test_tags_skip_what_the_target_cannot_do(
    suite: pytest.Pytester, arguments: tuple[str, ...], passed: int, reasons: list[str]
) -> None:
    """Tags of features, scenarios and ``Examples`` alike, each with its reason."""
    suite.makefile(".feature", promise=TAGGED)
    suite.makepyfile(BINDER + '@given("something")\ndef _step():\n    pass\n')
    result = suite.runpytest_inprocess("-rs", *arguments)
    result.assert_outcomes(passed=passed, skipped=4 - passed)
    result.stdout.fnmatch_lines_random(reasons)


@pytest.mark.parametrize("target", ["inprocess", "http://127.0.0.1:9"])
def test_the_header_names_the_target(suite: pytest.Pytester, target: str) -> None:
    """A report without it is worthless."""
    suite.makepyfile("def test_nothing(): pass")
    result = suite.runpytest_inprocess("--target", target)
    result.stdout.fnmatch_lines([f"target: {target}"])


def test_cucumber_reports_get_their_folder(suite: pytest.Pytester) -> None:
    """pytest-bdd would fail at the very end of a run."""
    suite.makepyfile(BINDER + '@given("something")\ndef _step():\n    pass\n')
    suite.runpytest_inprocess("--cucumberjson=reports/new/report.json").assert_outcomes(passed=1)
    assert "It is kept" in (suite.path / "reports/new/report.json").read_text()


def test_cucumber_reports_are_refused_where_they_stay_empty(suite: pytest.Pytester) -> None:
    """Under xdist pytest-bdd writes no feature and says nothing."""
    pytest.importorskip("xdist")
    suite.makepyfile(BINDER + '@given("something")\ndef _step():\n    pass\n')
    result = suite.runpytest_inprocess("--cucumberjson=report.json", "-n", "1")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--cucumberjson stays empty with -n*"])
