Feature: Tools that the model calls
  An application describes functions; the model answers with calls that the application can run.

  Background:
    Given a server with the demo model
    And this tool
      """
      {
        "name": "get_weather",
        "description": "Get the weather of a city.",
        "strict": true,
        "parameters": {
          "type": "object",
          "properties": {"city": {"type": "string", "maxLength": 20}},
          "required": ["city"],
          "additionalProperties": false
        }
      }
      """

  Scenario: A question that the tool answers
    When I ask "What is the weather in Paris?" with that tool and
      | temperature | 0 |
    Then it calls "get_weather" with
      | city | Paris |
    And the answer ended because of "tool_calls"

  Scenario: The same, streamed
    When I stream "What is the weather in Paris?" with that tool and
      | temperature | 0 |
    Then it streams a call of "get_weather" with
      | city | Paris |
    And the first piece has the role and no later one has
    And one piece says that it ended because of "tool_calls"
    And the stream ends with DONE

  Scenario: The result goes back
    When I ask "What is the weather in Paris?" with that tool and
      | temperature | 0 |
    And I tell it that the tool says "21 degrees and clear"
    Then the answer is text

  Scenario Outline: A call that has to be
    When I ask "Who are you?" with that tool and
      | tool_choice         | <choice> |
      | parallel_tool_calls | false    |
      | temperature         | 1.5      |
      | seed                | 3        |
      | max_tokens          | 200      |
    Then it calls "get_weather" with one "city"

    Examples:
      | choice                                                  |
      | required                                                |
      | {"type": "function", "function": {"name": "get_weather"}} |

  Scenario: A call of a named tool is the only one
    When I ask "Give me name and age: Anna is 31 years old." with that tool and
      | tool_choice | {"type": "function", "function": {"name": "get_weather"}} |
      | temperature | 1.5 |
      | seed        | 3   |
      | max_tokens  | 200 |
    Then it calls "get_weather" with one "city"

  Scenario: No call where none may be
    When I ask "What is the weather in Paris?" with that tool and
      | tool_choice | none |
      | max_tokens  | 30   |
    Then it calls nothing
    And the answer is text

  Scenario: A choice among tools that are not there
    When I ask "Hello" with that tool and
      | tool_choice | {"type": "function", "function": {"name": "other"}} |
    Then it is refused with 400 "invalid_value"
    And the error names "tool_choice"

  Scenario: A choice among some of the tools
    When I ask "What is the weather in Paris?" with that tool and
      | tool_choice | {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "get_weather"}}]}} |
      | temperature | 0 |
    Then it calls "get_weather" with
      | city | Paris |
