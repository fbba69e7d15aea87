Feature: The same question, the same answer
  Tests and audits compare answers letter for letter.

  @inprocess_only
  Scenario: The same seed gives the same answer, another seed another one
    Given a server with the demo model in deterministic mode
    When I ask "Tell me something about plugins." 3 times with
      | seed        | 7   |
      | temperature | 1.5 |
    Then all answers are the same
    When I ask "Tell me something about plugins." with
      | seed        | 7   |
      | temperature | 1.5 |
    And I remember the answer
    And I ask "Tell me something about plugins." with
      | seed        | 8   |
      | temperature | 1.5 |
    Then the answer is another one than I remember

  @inprocess_only
  Scenario: Alone or in a crowd, in deterministic mode
    Given a server with the demo model in deterministic mode
    When I ask "Tell me something about plugins." with
      | seed        | 7   |
      | temperature | 1.5 |
      | max_tokens  | 48  |
    And I remember the answer
    And I ask "Tell me something about plugins." among 7 other questions with
      | seed        | 7   |
      | temperature | 1.5 |
      | max_tokens  | 48  |
    Then the answer is the one I remember
