@inprocess_only
Feature: Streamed or whole, the answer is the same
  How an answer is delivered changes nothing in it: not its text, not its thoughts, not its calls, not what it took.

  Scenario Outline: Text
    Given a server with the demo model in deterministic mode that speaks every dialect
    When I ask "<dialect>" for "Tell me something about plugins.", whole and streamed
    Then both say the same, and took the same tokens

    Examples:
      | dialect     |
      | chats       |
      | completions |
      | responses   |
      | messages    |
      | ollama      |
      | generate    |
      | llamacpp    |

  Scenario Outline: Calls of tools
    Given a server with the demo model in deterministic mode that speaks every dialect
    When I ask "<dialect>" for "What is the weather in Paris?" with a tool, whole and streamed
    Then both say the same, and took the same tokens

    Examples:
      | dialect   |
      | chats     |
      | responses |
      | messages  |
      | ollama    |

  Scenario Outline: Thoughts, then text
    Given a server with a scripted model that thinks and calls and speaks every dialect
    When <dialect> makes the model say, whole and streamed
      """
      <think>
      Hm, so.
      </think>

      Three.
      """
    Then both say the same, and took the same tokens
    And both think "Hm, so." and say "Three."

    Examples:
      | dialect   |
      | chats     |
      | responses |
      | messages  |
      | ollama    |
      | generate  |

  Scenario Outline: Thoughts, then a call
    Given a server with a scripted model that thinks and calls and speaks every dialect
    When <dialect> makes the model say, whole and streamed
      """
      <think>
      Hm.
      </think>
      <tool_call>
      {"name": "get_weather", "arguments": {"city": "Paris"}}
      </tool_call>
      """
    Then both say the same, and took the same tokens
    And both call the tool for "Paris"

    Examples:
      | dialect   |
      | chats     |
      | responses |
      | messages  |
      | ollama    |
