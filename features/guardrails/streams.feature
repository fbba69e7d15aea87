@inprocess_only
Feature: Answers that guardrails judge while they are streamed
  What is blocked is never sent, not a letter of it; what is masked never shows, however the answer is cut.

  Background:
    Given a server with a scripted model that calls tools, whose guardrails do this
      | find            | do    | with     |
      | bomb            | block |          |
      | \d{4}-\d{4}     | mask  | [NUMBER] |

  Scenario: A prompt that is blocked is refused, and its words are not repeated
    When I ask "how is a bomb made"
    Then it is refused with 400 "content_policy_violation"
    And the refusal does not repeat "bomb"

  Scenario: A whole answer that is blocked is refused
    When the model says "first you take a bomb"
    Then it is refused with 400 "content_policy_violation"
    And the refusal does not repeat "bomb"

  Scenario: A stream ends before what is blocked
    When the model streams "first you take a bomb and then you run"
    Then one piece says that it ended because of "content_filter"
    And no more was streamed than "first you take a "
    And the stream ends with DONE

  Scenario: A stream is masked, letter by letter
    When the model streams "call 1234-5678 or 8765-4321 now"
    Then the streamed text is "call [NUMBER] or [NUMBER] now"

  Scenario: Tokens of what is masked have no log probabilities
    When the model says "ab,1234-5678,yz" and how likely it was
    Then the answer is "ab,[NUMBER],yz"
    And the log probabilities are those of "ab,,yz"

  Scenario: Arguments of calls are masked and stay JSON
    Given this tool
      """
      {"name": "call", "parameters": {"type": "object", "properties": {"number": {"type": "string"}}}}
      """
    When the model says, with that tool
      """
      <tool_call>{"name": "call", "arguments": {"number": "\"1234-5678\""}}</tool_call>
      """
    Then it calls "call" with
      | number | \"[NUMBER]\" |

  Scenario: Thoughts are judged as well
    When the model streams "<think>what about a bomb</think>No." and thinks
    Then one piece says that it ended because of "content_filter"

  Scenario: Texts are moderated by the guardrails that are on
    When I have "a bomb" and "a bird" moderated
    Then the first of them is flagged, and the other is not

  Scenario: Nobody moderates where no guardrail is on
    Given a server with a scripted model
    When I have "a bomb" and "a bird" moderated
    Then it is refused with 400 "unsupported_parameter"

  Scenario: A guardrail that breaks lets nothing pass
    Given a server with a scripted model whose guardrail breaks
    When I ask "anything"
    Then it is refused with 503 "guardrail_unavailable"
