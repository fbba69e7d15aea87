@requires:sqlite
Feature: Answers that the server keeps
  An application marks answers with its own words, and reads them again later.

  Background:
    Given a server with the demo model

  Scenario: An answer is read again
    When I ask "Who are you?" with
      | store      | true               |
      | metadata   | {"team": "search"} |
      | max_tokens | 8                  |
    Then the answer can be read again, as it was
    And it is listed among those whose "team" is "search"
    And its messages can be listed

  Scenario: A streamed answer is read again
    When I stream "Who are you?" with
      | store      | true |
      | max_tokens | 8    |
    Then the streamed answer can be read again

  Scenario: An answer gets other words, and is forgotten
    When I ask "Who are you?" with
      | store      | true |
      | max_tokens | 4    |
    And I mark the answer with "team" as "sales"
    Then it is listed among those whose "team" is "sales"
    When I delete the answer
    Then the answer cannot be read again

  Scenario: An answer that nobody asked to keep
    When I ask "Who are you?" with
      | max_tokens | 4 |
    Then the answer cannot be read again

  @inprocess_only
  Scenario: A server that keeps nothing says so
    Given a server with a scripted model
    When I ask "hello" with
      | store | true |
    Then it is refused with 400 "unsupported_parameter"
    And the error names "store"
