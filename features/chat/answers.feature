Feature: Answers
  An application sends a conversation and gets the model's next turn.

  Background:
    Given a server with the demo model

  Scenario: A question is answered
    When I ask "Who are you?"
    Then the answer is text
    And the answer ended because of "stop"
    And its usage adds up

  Scenario: Streamed or not, the answer is the same
    When I ask "What can you do?" with
      | temperature | 0 |
    And I stream "What can you do?" with
      | temperature | 0 |
    Then the streamed text is the answer

  Scenario: An answer is no longer than I allow
    When I ask "What can you do?" with
      | max_tokens | 3 |
    Then the answer ended because of "length"
    And the answer took 3 tokens
