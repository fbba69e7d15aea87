@inprocess_only
Feature: Anthropic's messages
  A program that was written for Anthropic's API talks to a model of one's own; only the address changes.

  Background:
    Given a server with a scripted model that speaks as Anthropic

  Scenario: A message is answered
    When I send the message "Good morning"
    Then the message's answer is "Good morning"
    And the message ended because of "end_turn"
    And the message's usage says what was cached

  Scenario: A limit ends it
    When I send the message "Good morning" with
      | max_tokens | 4 |
    Then the message's answer is "Good"
    And the message ended because of "max_tokens"

  Scenario: A stop sequence ends it, and is named
    When I send the message "one two three" with
      | stop_sequences | [" three"] |
    Then the message's answer is "one two"
    And the message ended because of "stop_sequence"

  Scenario: The events of a stream come in Anthropic's order
    When I stream the message "Good morning"
    Then the message's events are, repeated ones once
      | message_start       |
      | ping                |
      | content_block_start |
      | content_block_delta |
      | content_block_stop  |
      | message_delta       |
      | message_stop        |
    And the message's streamed text is "Good morning"

  Scenario: What an agent sends along is understood
    When I send the message "Good morning" with
      | system             | [{"type": "text", "text": "x-anthropic-billing-header: cch=1;"}, {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}] |
      | context_management | {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]} |
      | metadata           | {"user_id": "somebody"} |
    Then the message's answer is "Good morning"

  Scenario: A prompt that does not fit is told in words that agents know
    When I send a message of 5000 words
    Then the message is refused with 400 "invalid_request_error" and "prompt is too long: "

  Scenario: A tool is called
    When I send a message that has the model call the tool "weather" for "Paris"
    Then the message calls "weather" for "Paris"
    And the message ended because of "tool_use"

  Scenario: A failure in the middle is an event
    When I stream the message "[say:Hello][fail:3]"
    Then the message's events end with "error"
    And the message's streamed text is "Hel"

  Scenario: Tokens are counted as they are when the message is sent
    When I count the tokens of the message "Good morning"
    And I send the message "Good morning"
    Then as many tokens went in as were counted

  Scenario Outline: What cannot be honoured is refused by name
    When I send the message "Good morning" with
      | <field> | <value> |
    Then the message is refused with 400 "invalid_request_error" and "<field>"

    Examples:
      | field       | value             |
      | max_tokens  | 0                 |
      | temperature | 2                 |
      | temprature  | 0                 |
      | container   | mine              |
      | thinking    | {"type": "never"} |
      | thread      | {"type": "create"} |
      | thinking    | {"type": "enabled", "budget_tokens": 1024} |
