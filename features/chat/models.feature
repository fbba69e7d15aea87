Feature: Models
  A client finds out what there is, and asks for it by name.

  Background:
    Given a server with the demo model

  Scenario: The models are listed
    When I list the models
    Then the model I ask is one of them

  @inprocess_only
  Scenario: A model answers under its other names
    When I ask "Who are you?" with
      | model | default |
    Then the answer is text

  Scenario: Raw text is continued
    When I continue "Jackfield is" with
      | max_tokens | 4    |
      | ignore_eos | true |
    Then the continuation has 4 tokens of text
