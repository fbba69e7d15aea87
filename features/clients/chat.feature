Feature: Chatting from the command line
  A person talks to a model without writing a program.

  Background:
    Given a server with the demo model

  Scenario: One question, one answer
    When I run "jackfield chat 'Who are you?'" against the server
    Then the command succeeds

  Scenario: Scripts get JSON
    When I run "jackfield chat --json --temperature 0 'Who are you?'" against the server
    Then the command succeeds
    And it says "finish_reason"

  Scenario: A model that is not there
    When I run "jackfield chat --model nope 'Hello'" against the server
    Then the command fails
    And it says "does not exist"
