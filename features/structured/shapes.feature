@requires:llguidance
Feature: Choices, patterns and grammars
  Not everything that a program reads is JSON.

  Background:
    Given a server with the demo model

  Scenario: One of several texts
    When I ask "Is the sky blue?" with
      | structured_outputs | {"choice": ["yes", "no", "ask me tomorrow"]} |
      | temperature        | 1.5                                          |
    Then the answer is one of
      | yes             |
      | no              |
      | ask me tomorrow |

  Scenario: A text of a pattern
    When I ask "When were you made?" with
      | structured_outputs | {"regex": "(19\|20)[0-9]{2}-[0-9]{2}"} |
      | temperature        | 1.5                                   |
    Then the answer matches "(19|20)[0-9][0-9]-[0-9][0-9]"

  Scenario: A text of a grammar in llama.cpp's notation
    When I ask "Add something." with
      | grammar     | root ::= [0-9] ("+" [0-9]){2} "=" [0-9]+ "." |
      | temperature | 1                                            |
      | seed        | 5                                            |
    Then the answer matches "[0-9][+][0-9][+][0-9]=[0-9]+[.]"

  Scenario: Free text, or the call of a tool and nothing else
    Given this grammar
      """
      %llguidance {}
      start: <tool_call> "\n" call "\n" </tool_call>
      call: %json {
        "type": "object",
        "properties": {"name": {"const": "get_weather"}, "arguments": {"$ref": "#/$defs/where"}},
        "required": ["name", "arguments"],
        "additionalProperties": false,
        "$defs": {
          "where": {
            "type": "object",
            "properties": {"city": {"enum": ["Paris", "Rome"]}},
            "required": ["city"],
            "additionalProperties": false
          }
        }
      }
      """
    When I ask "What is the weather in Rome?" for that grammar
    Then the answer is one of
      | <tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call> |
      | <tool_call>\n{"name": "get_weather", "arguments": {"city": "Rome"}}\n</tool_call>  |
