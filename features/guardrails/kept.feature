@inprocess_only
Feature: What guardrails have masked is kept nowhere
  The model never sees it, and whatever the server keeps has the placeholder; only the client gets its own words back.

  Background:
    Given a server that keeps answers, with a scripted model whose guardrails do this
      | find            | do      | with     |
      | \w+@\w+\.\w+    | restore | [MAIL_n] |
      | \d{4}-\d{4}     | mask    | [NUMBER] |

  Scenario: The model sees a placeholder, and the client gets its own words back
    When I ask "to joe@example.com, 1234-5678"
    Then the answer is "to joe@example.com, [NUMBER]"
    And the model has seen "to [MAIL_1], [NUMBER]"

  Scenario: Own words come back in a stream, too
    When I stream "to joe@example.com and ann@example.com, or joe@example.com"
    Then the streamed text is "to joe@example.com and ann@example.com, or joe@example.com"

  Scenario: A stored chat has placeholders
    When I ask "to joe@example.com" with
      | store | true |
    Then the answer is "to joe@example.com"
    And what is stored of the chat says "[MAIL_1]" and not "joe@example.com"

  Scenario: A stored response has placeholders
    When I ask for a response to "to joe@example.com"
    Then what is stored of the response says "[MAIL_1]" and not "joe@example.com"

  Scenario: A response in the background has placeholders
    When I ask for a response to "to joe@example.com" with
      | background | true |
    Then the response is there in the end
    And what is stored of the response says "[MAIL_1]" and not "joe@example.com"

  Scenario: The results of a batch have placeholders
    When I hand over a batch that asks "to joe@example.com"
    Then the batch is completed
    And its results say "[MAIL_1]" and not "joe@example.com"

  Scenario: A stream that is taken up again is masked
    When I stream "one 1234-5678 two joe@example.com three" and keep where it is
    And I take it up again after its event 1
    Then the rest is the same, event for event
    And it says "[NUMBER] two joe@example.com" and not "1234"

  Scenario: The log has nothing of it
    When I ask "to joe@example.com, 1234-5678" and watch the log
    Then the log says neither "joe@example.com" nor "1234-5678"
