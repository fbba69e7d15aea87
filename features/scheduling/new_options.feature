@inprocess_only
Feature: New options without a restart
  The scheduler's options change while the server runs; requests go on.

  Background:
    Given jackfield serve runs one request at a time under the scheduler "fair" with
      | urgent_steps | 10 |
    And an answer to "[repeat:400:a][delay:5]" is being streamed

  Scenario: New options hold from the next step on
    When "urgent_steps" in plugins.toml becomes "5" and SIGHUP is sent
    Then the server says that the scheduler "fair" has new options
    When I ask "hello" with the priority -5 in the middle of it
    Then the answer is "hello"
    And the stream ends with DONE
    And some answer lost its slot on the way

  Scenario: Options that cannot be used change nothing
    When "urgent_steps" in plugins.toml becomes "0" and SIGHUP is sent
    Then its log mentions "the options of fair stay as they were"
    And its log mentions "config.fair.urgent_steps: must be 1 to 201"
    And the stream ends with DONE
    And "hello" is answered within 5 seconds
