Feature: Tools that cannot be had
  What a request says of tools is honoured, or refused by its own path.

  Background:
    Given a server with the demo model

  Scenario: A tool that somebody else would have to run
    Given this tool as it stands
      """
      {"type": "web_search"}
      """
    When I ask "Hello" with that tool and
      | temperature | 0 |
    Then it is refused with 400 "unsupported_parameter"
    And the error names "tools[0].type"

  Scenario: A name that no model could write
    Given this tool
      """
      {"name": "get weather"}
      """
    When I ask "Hello" with that tool and
      | temperature | 0 |
    Then it is refused with 400 "invalid_value"
    And the error names "tools[0].function.name"

  Scenario: A schema that cannot be enforced
    Given this tool
      """
      {"name": "count", "strict": true, "parameters": {"type": "object", "not": {"required": ["x"]}}}
      """
    When I ask "Hello" with that tool and
      | temperature | 0 |
    Then it is refused with 400 "invalid_value"
    And the error names "tools[0].function.parameters"
