Feature: Several answers to one question
  An application lets its user choose, or takes a vote.

  Background:
    Given a server with the demo model

  Scenario: Three answers, each drawn by itself
    When I ask "Tell me something about plugins." with
      | n           | 3   |
      | seed        | 7   |
      | temperature | 1.5 |
      | max_tokens  | 24  |
    Then there are 3 answers
    And they are not all the same
    And its usage adds up

  Scenario: Two answers, streamed side by side
    When I stream "Tell me something about plugins." with
      | n              | 2                       |
      | max_tokens     | 24                      |
      | stream_options | {"include_usage": true} |
    Then 2 answers are streamed, each with its role, its text and its end
    And the last piece has the usage

  Scenario: More answers than any model gives
    When I ask "Hello" with
      | n | 129 |
    Then it is refused with 400 "invalid_value"
    And the error names "n"
