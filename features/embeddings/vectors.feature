@inprocess_only
Feature: Vectors of texts
  An application asks for the meaning of texts as vectors, to search and to compare.

  Background:
    Given a server with a scripted model that embeds texts

  Scenario: Several texts in one request
    When I embed these texts
      | good morning |
      | good night   |
      | good morning |
    Then there are 3 vectors, in the order of the texts
    And each vector has length 1
    And vectors 1 and 3 are the same
    And vectors 1 and 2 differ

  Scenario: A shorter vector, still of length 1
    Given a server with a scripted model whose vectors can be shortened
    When I embed "good morning" with
      | dimensions | 4 |
    Then the vector has 4 components
    And each vector has length 1

  Scenario: Numbers and base64 say the same
    When I embed "good morning" as numbers and as base64
    Then both are the same vector

  Scenario: Tokens instead of texts
    When I embed "good morning" with
      | input | [[103, 111, 111, 100], [104, 105]] |
    Then there are 2 vectors, in the order of the texts
    And each vector has length 1

  Scenario: Whose request it is
    When I embed "good morning" with
      | user | ann |
    Then each vector has length 1
