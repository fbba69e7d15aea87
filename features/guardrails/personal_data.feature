@inprocess_only
Feature: Personal data stays with those whose it is
  What is masked in a prompt never reaches the model, and comes back in the answer.

  Scenario: A prompt is masked, and the answer has the original again
    Given a server with these rules of guardrails
      """
      [personal]
      kind = "pii"
      """
    When I ask "write to joe@example.com and to ann@example.com"
    Then the answer is "write to joe@example.com and to ann@example.com"

  Scenario: The model never sees it
    Given a server with these rules of guardrails
      """
      [personal]
      kind = "pii"
      restore = false
      """
    When I ask "joe@example.com, ann@example.com, joe@example.com"
    Then the answer is "[EMAIL_1], [EMAIL_2], [EMAIL_1]"

  Scenario: A card in an answer is masked
    Given a server with these rules of guardrails
      """
      [cards]
      kind = "pii"
      entities = ["card"]
      stages = ["output"]
      """
    When I ask "pay with 4111 1111 1111 1111, not with 4111 1111 1111 1112"
    Then the answer is "pay with [CARD_1], not with 4111 1111 1111 1112"

  Scenario: A streamed answer is masked as well, wherever it is cut
    Given a server with these rules of guardrails
      """
      [cards]
      kind = "pii"
      entities = ["card"]
      stages = ["output"]
      """
    When I stream "pay with 4111 1111 1111 1111 today"
    Then the streamed text is "pay with [CARD_1] today"
