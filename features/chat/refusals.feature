Feature: Requests that cannot be served as they are
  Every field is honoured or refused by name; none is ignored in silence.

  Background:
    Given a server with the demo model

  Scenario: A misspelt field is refused by name
    When I ask "Hello" with
      | temprature | 0 |
    Then it is refused with 400 "unknown_parameter"
    And the error names "temprature"

  Scenario Outline: A field that asks for something this server cannot do
    When I ask "Hello" with
      | <field> | <value> |
    Then it is refused with 400 "unsupported_parameter"
    And the error names "<field>"

    Examples:
      | field            | value |
      | reasoning_effort | high  |
      | verbosity        | low   |

  Scenario Outline: A field that asks for nothing is accepted
    When I ask "Hello" with
      | <field> | <value> |
    Then the answer is text

    Examples:
      | field       | value   |
      | n           | 1       |
      | user        | someone |
      | store       | false   |
      | temperature | null    |

  Scenario: A value out of range is refused by name
    When I ask "Hello" with
      | temperature | 3 |
    Then it is refused with 400 "invalid_value"
    And the error names "temperature"

  Scenario: A model that is not there
    When I ask "Hello" with
      | model | no-such-model |
    Then it is refused with 404 "model_not_found"

  Scenario: A prompt that does not fit the context
    When I ask with a prompt of 300000 words
    Then it is refused with 400 "context_length_exceeded"

  Scenario: A body that is not JSON
    When I post "not JSON" to "/v1/chat/completions"
    Then it is refused with 400 "malformed_body"

  Scenario: A path that nobody serves
    When I post "{}" to "/v1/no-such-thing"
    Then it is refused with 404 "unknown_url"

  @inprocess_only
  Scenario: A body over the limit
    Given a server with a scripted model and a body limit of 2000 bytes
    When I ask with a prompt of 1000 words
    Then it is refused with 413 "request_too_large"
