@inprocess_only
Feature: A log level that changes
  More or fewer log lines, without a restart and without disturbing any request.

  Background:
    Given jackfield serve runs with a scripted model and these kernel settings
      | log_level | "info" |

  Scenario: The new level holds at once
    When I list the models
    Then its log mentions "/v1/models"
    When the log level in plugins.toml becomes "error" and SIGHUP is sent
    And I ask "hello"
    Then the answer is "hello"
    And its log does not mention "/v1/chat/completions"

  Scenario: A level that there is not changes nothing
    When the log level in plugins.toml becomes "loud" and SIGHUP is sent
    Then its log mentions "the log level stays info"
    And its log mentions "kernel.log_level"
    When I ask "hello"
    Then its log mentions "/v1/chat/completions"
