@requires:llguidance
Feature: Schemas that cannot be enforced
  A promise that is not kept is worse than none. What cannot be enforced is refused before anything is computed, with the
  keyword and its place.

  Background:
    Given a server with the demo model

  Scenario Outline: A keyword that cannot be enforced
    Given this schema
      """
      {"type": "object", "properties": {"a": <inner>}}
      """
    When I ask "Hello" for JSON of that schema
    Then it is refused with 400 "invalid_value"
    And the error names "response_format.json_schema.schema"
    And the error says "<keyword>" and "/properties/a/<keyword>"

    Examples:
      | keyword     | inner                                                            |
      | not         | {"not": {"type": "null"}}                                        |
      | uniqueItems | {"type": "array", "items": {"type": "null"}, "uniqueItems": true} |
      | if          | {"if": {"const": 1}, "then": {"minimum": 0}}                     |
      | format      | {"type": "string", "format": "colour"}                           |
      | pattern     | {"type": "string", "pattern": "(?=x)y"}                          |
      | oneOf       | {"oneOf": [{"type": "integer"}, {"minimum": 3}]}                 |
      | nullable    | {"type": "string", "nullable": true}                             |
      | $ref        | {"$ref": "https://example.org/schema.json"}                      |

  Scenario: A schema that nothing satisfies
    Given this schema
      """
      {"type": "object", "properties": {"a": {"type": "string", "minLength": 5, "maxLength": 3}}, "required": ["a"]}
      """
    When I ask "Hello" for JSON of that schema
    Then it is refused with 400 "invalid_value"
    And the error says "/properties/a" and "no value"

  Scenario Outline: A pattern or grammar that is broken
    When I ask "Hello" with
      | structured_outputs | <shape> |
    Then it is refused with 400 "invalid_value"
    And the error names "<field>"

    Examples:
      | shape                          | field                      |
      | {"regex": "a("}                | structured_outputs.regex   |
      | {"grammar": "root ::= nobody"} | structured_outputs.grammar |
