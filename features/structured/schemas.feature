@requires:llguidance
Feature: Answers that fit a schema
  An application reads the answer with a program. It says what the answer must look like, and gets nothing else.

  Background:
    Given a server with the demo model
    And this schema
      """
      {
        "type": "object",
        "properties": {
          "name": {"type": "string", "maxLength": 20},
          "age": {"type": "integer", "minimum": 0, "maximum": 130},
          "colour": {"enum": ["red", "green", "blue"]}
        },
        "required": ["name", "age", "colour"],
        "additionalProperties": false
      }
      """

  Scenario: An answer fits its schema, however wildly it is drawn
    When I ask "Who are you?" for JSON of that schema with
      | temperature | 1.9 |
      | seed        | 11  |
    Then the answer is a JSON object with
      | name   | a text                   |
      | age    | a whole number           |
      | colour | one of red, green, blue  |
    And the answer ended because of "stop"

  Scenario: Streamed or not, it is the same
    When I ask "Who are you?" for JSON of that schema with
      | temperature | 0 |
    And I stream "Who are you?" for JSON of that schema with
      | temperature | 0 |
    Then the streamed text is the answer
    And one piece says that it ended because of "stop"

  Scenario: Several answers to one question all fit
    When I ask "Who are you?" for JSON of that schema with
      | n           | 4   |
      | temperature | 1.5 |
    Then there are 4 answers
    And each answer is a JSON object with
      | name   | a text                   |
      | age    | a whole number           |
      | colour | one of red, green, blue  |

  Scenario: It is answered together with everybody else
    When I ask "Who are you?" for JSON of that schema among 5 other questions
    Then the other answers are text
    When I look at the one that was asked for JSON
    Then the answer is a JSON object with
      | name   | a text                   |
      | age    | a whole number           |
      | colour | one of red, green, blue  |

  Scenario: The limit of tokens still cuts
    When I ask "Who are you?" for JSON of that schema with
      | max_tokens | 3 |
    Then the answer ended because of "length"
    And the answer took 3 tokens

  Scenario: A schema is followed into itself
    Given this schema
      """
      {
        "$defs": {
          "list": {
            "anyOf": [
              {"type": "null"},
              {
                "type": "object",
                "properties": {"head": {"enum": [1, 2]}, "tail": {"$ref": "#/$defs/list"}},
                "required": ["head", "tail"],
                "additionalProperties": false
              }
            ]
          }
        },
        "type": "object",
        "properties": {"list": {"$ref": "#/$defs/list"}},
        "required": ["list"],
        "additionalProperties": false
      }
      """
    When I ask "Count." for JSON of that schema with
      | temperature | 1.5 |
      | seed        | 3   |
    Then the answer is a JSON object with
      | list | a list of heads and tails |

  Scenario: Any JSON object
    When I ask "Who are you?" with
      | response_format | {"type": "json_object"} |
      | max_tokens      | 400                     |
    Then the answer begins a JSON object
