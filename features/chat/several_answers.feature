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

  @inprocess_only
  Scenario: Their prompt is computed once
    Given what /metrics says
    When I ask "Tell me something about plugins, and about kernels, and about radios that played jazz all night." with
      | n            | 4     |
      | max_tokens   | 4     |
      | cache_salt   | alone |
    Then "jackfield_engine_prompt_tokens_total" has grown by what was computed once, and by a token for each other answer

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
