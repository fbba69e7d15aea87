Feature: How likely an answer is
  An application measures how sure the model is, and what else it might have said.

  Background:
    Given a server with the demo model

  Scenario: Every token of an answer
    When I ask "Who are you?" with
      | logprobs     | true |
      | top_logprobs | 3    |
      | max_tokens   | 12   |
    Then each token of the answer says how likely it was, with 3 others

  Scenario: Others without the token itself
    When I ask "Who are you?" with
      | top_logprobs | 3 |
    Then it is refused with 400 "invalid_value"
    And the error names "top_logprobs"
