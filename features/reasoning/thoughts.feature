@inprocess_only
Feature: What the model thinks before it answers
  Thoughts are apart from the answer, are counted, and can be limited or left out.

  Background:
    Given a server with a scripted model that calls tools

  Scenario: Thoughts are apart
    When the model says
      """
      <think>
      First [one], then two.
      </think>

      Three.
      """
    Then the answer is "Three."
    And its thoughts are "First [one], then two."
    And the thoughts are counted among its tokens

  Scenario: Streamed, thoughts come first
    When the model streams
      """
      <think>
      Hm.
      </think>

      Three.
      """
    Then the streamed text is "Three."
    And the streamed thoughts are "Hm.", before all text

  Scenario: Thoughts that are over their budget are ended
    When the model says, within 16 tokens of thoughts
      """
      <think>
      I could go on like this for a very long time indeed, and so I do.
      </think>

      Three.
      """
    Then its thoughts have at most 16 characters

  Scenario: Thoughts that nobody wants to see
    When the model says without thoughts
      """
      <think>
      Hm.
      </think>

      Three.
      """
    Then the answer is "Three."
    And it has no thoughts
    And the thoughts are counted among its tokens

  Scenario: A model that does not think
    Given a server with a scripted model
    When I ask "Hello" with
      | reasoning_effort | high |
    Then it is refused with 400 "unsupported_parameter"
    And the error names "reasoning_effort"

  Scenario: Two fields that contradict each other
    When I ask "Hello" with
      | reasoning_effort | none |
      | enable_thinking  | true |
    Then it is refused with 400 "invalid_value"

  Scenario: Tokens of thoughts are counted with the marks around them
    When the model says
      """
      <think>Hm.</think>Three.
      """
    Then the answer is "Three."
    And 18 of its tokens are of thoughts

  Scenario: An answer that ends in its thoughts
    When the model says, in 20 tokens
      """
      <think>
      I could go on like this for a very long time.
      </think>

      Three.
      """
    Then the answer ended because of "length"
    And its thoughts are "I could go o"
    And 20 of its tokens are of thoughts

  Scenario: A stop string ends thoughts as it ends an answer
    When the model says, until it says "two"
      """
      <think>
      First one, then two.
      </think>

      Three.
      """
    Then the answer ended because of "stop"
    And its thoughts are "First one, then"

  Scenario: An effort that nobody knows
    When I ask "Hello" with
      | reasoning_effort | boundless |
    Then it is refused with 400 "invalid_value"
    And the error names "reasoning_effort"
