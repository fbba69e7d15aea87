@inprocess_only
Feature: Ollama's routes
  A program that was written for Ollama talks to this server; only the address changes.

  Background:
    Given a server with a scripted model that speaks as Ollama

  Scenario: A chat is answered
    When I chat as Ollama's clients do: "Good morning"
    Then Ollama's answer is "Good morning"
    And Ollama's answer is done because of "stop"
    And Ollama's answer has its figures

  Scenario: It is streamed line by line unless told otherwise
    When I chat as Ollama's clients do: "Good morning" with
      | stream | true |
    Then Ollama's answer came in several lines
    And Ollama's answer is "Good morning"
    And Ollama's answer is done because of "stop"

  Scenario: Options are honoured
    When I chat as Ollama's clients do: "Good morning" with
      | options | {"num_predict": 4} |
    Then Ollama's answer is "Good"
    And Ollama's answer is done because of "length"

  Scenario: What is not honoured is listed
    When I chat as Ollama's clients do: "Good morning" with
      | options    | {"num_gpu": 99, "frobnicate": 1} |
      | keep_alive | 0                                |
    Then Ollama's answer is "Good morning"
    And these fields were left out
      | keep_alive         |
      | options.num_gpu    |
      | options.frobnicate |

  Scenario: A model is asked for by its name with a tag
    When I chat as Ollama's clients do: "Good morning" with
      | model | scripted:latest |
    Then Ollama's answer is "Good morning"

  Scenario: A failure in the middle is a line
    When I chat as Ollama's clients do: "[say:Hello][fail:3]" with
      | stream | true |
    Then Ollama's answer is "Hel"
    And Ollama's last line is an error

  Scenario Outline: What cannot be honoured is refused by name
    When I chat as Ollama's clients do: "Good morning" with
      | <field> | <value> |
    Then Ollama's refusal names "<field>"

    Examples:
      | field              | value                |
      | think              | a lot                |
      | think              | true                 |
      | format             | xml                  |
      | keep_alive         | soon                 |
      | options            | {"top_k": -7}        |
      | tools              | [{"type": "search"}] |
      | _debug_render_only | true                 |

  Scenario Outline: What cannot be done is refused
    When I post "{}" to "<path>"
    Then it is answered with 400

    Examples:
      | path        |
      | /api/chat   |
      | /api/pull   |
      | /api/create |
      | /api/copy   |
