@inprocess_only
Feature: Verifying a plugin
  An author learns whether a plugin does what its ports promise, before anybody depends on it.

  Scenario: A plugin that keeps its promises passes
    Given a plugin file that keeps its promises
    When I run "jackfield verify ./mine.py"
    Then the command succeeds
    And it says "passed:"

  Scenario: A broken promise is said in plain words
    Given a plugin file that breaks a promise
    When I run "jackfield verify ./mine.py --only unknown_event"
    Then the command fails
    And it says "BROKEN   An unknown event is ignored: Later versions of the kernel tell more."
    And it says "ValueError: not today"
    And it says "again:   jackfield verify ./mine.py --only test_an_unknown_event_is_ignored"

  Scenario: A plugin that crashes is named, and the report still comes
    Given a plugin file that crashes when it is imported
    When I run "jackfield verify ./mine.py"
    Then the command fails
    And it says "plugin mine: during its import the process was ended by SIGSEGV"

  Scenario: A plugin that hangs is named in time
    Given a plugin file that never comes back when it is imported
    When I run "jackfield verify ./mine.py --timeout 2"
    Then the command fails
    And it says "plugin mine: during its import the process was not done after 2 s"
