@requires:sqlite
Feature: Conversations that the server remembers
  An application sends what is new, and the server knows what was said before.

  Background:
    Given a server with the demo model

  Scenario: A conversation goes on
    When I ask for a response to "Who are you?"
    And I go on with "And how old are you?"
    Then the second response follows the first one
    And the second prompt is longer than the first one

  Scenario: A response is read again
    When I ask for a response to "Who are you?"
    Then the response can be read again, as it was
    And what was asked can be listed

  Scenario: A response is deleted
    When I ask for a response to "Who are you?"
    And I delete the response
    Then nothing can be read of the response
    And the conversation cannot be continued

  Scenario: A response that must not be kept
    When I ask for a response to "Who are you?" with
      | store | false |
    Then nothing can be read of the response

  Scenario: A response is streamed
    When I stream a response to "Who are you?"
    Then its events are numbered from "response.created" on
    And the last of its events has the whole response

  Scenario: A response that nobody waits for
    When I ask for a response to "Who are you?" with
      | background | true |
    Then the response is there in the end
