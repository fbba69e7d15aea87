@inprocess_only
Feature: Answers longer than the context
  By default an answer ends where the model's context ends; an operator may let it go on without its beginning.

  Scenario: An answer ends with the context
    Given a server with a scripted model and a context of 100 tokens
    When I ask "[repeat:500:a]" with
      | max_tokens | 300 |
    Then the answer ended because of "length"
    And the answer took 68 tokens

  Scenario: An answer goes on beyond the context
    Given a server with a scripted model and a context of 100 tokens that is shifted
    When I ask "[repeat:500:a]" with
      | max_tokens | 300 |
    Then the answer ended because of "length"
    And the answer took 300 tokens
