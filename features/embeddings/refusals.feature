@inprocess_only
Feature: Requests for vectors that cannot be served
  What is wrong is told by its place in the request, before anything is computed.

  Scenario: A text that is too long for the model
    Given a server with a scripted model that embeds texts
    When I embed a text of 100 words
    Then it is refused with 400 "context_length_exceeded"

  Scenario: Fewer dimensions of a model that was not trained for it
    Given a server with a scripted model that embeds texts
    When I embed "hello" with
      | dimensions | 4 |
    Then it is refused with 400 "unsupported_parameter"
    And the error names "dimensions"

  Scenario: More dimensions than the model has
    Given a server with a scripted model whose vectors can be shortened
    When I embed "hello" with
      | dimensions | 5000 |
    Then it is refused with 400 "invalid_value"
    And the error names "dimensions"

  Scenario: Nothing to embed
    Given a server with a scripted model that embeds texts
    When I embed "hello" with
      | input | ["hello", ""] |
    Then it is refused with 400 "invalid_value"
    And the error names "input[1]"

  Scenario: A model for chats gives no vectors
    Given a server with a scripted model
    When I embed "hello"
    Then it is refused with 400 "unsupported_parameter"
    And the error names "model"

  Scenario: A model for vectors does not chat
    Given a server with a scripted model that embeds texts
    When I ask "hello"
    Then it is refused with 400 "unsupported_parameter"
