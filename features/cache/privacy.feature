@inprocess_only
Feature: Nobody can tell what others asked
  An answer that comes faster because somebody asked the same would give that away. So a key profits from its own prompts only.

  Background:
    Given jackfield serve runs with a scripted model and keys
    And a key "alice"

  Scenario: A key profits from what it asked itself
    When I ask "What is the colour of the secret door, and who has a key to it?" with that key
    Then nothing of its prompt was cached
    When I ask "What is the colour of the secret door, and who has a key to it?" with that key
    Then at least 40 tokens of its prompt were cached

  Scenario: Another key does not
    When I ask "What is the colour of the secret door, and who has a key to it?" with that key
    Given a key "bob"
    When I ask "What is the colour of the secret door, and who has a key to it?" with that key
    Then nothing of its prompt was cached

  Scenario: Not even with the salt of the other
    When I ask "What is the colour of the secret door, and who has a key to it?" with that key and
      | cache_salt | blue |
    Given a key "bob"
    When I ask "What is the colour of the secret door, and who has a key to it?" with that key and
      | cache_salt | blue |
    Then nothing of its prompt was cached
