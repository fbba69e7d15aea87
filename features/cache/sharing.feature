@inprocess_only
Feature: Who shares cached prompts
  Streamed or not, chat or text, one answer or several: each says how much of its prompt was cached, and that never
  depends on what others asked, unless whoever runs the server lets all share.

  Scenario: In whatever form it asks
    Given jackfield serve runs with the demo model and keys
    And a key "alice"
    When I ask "What is the colour of the secret door, and who has a key to it?" in every form with that key
    Then nothing of any prompt was cached
    When I ask "What is the colour of the secret door, and who has a key to it?" in every form with that key
    Then each prompt was cached but for its last token
    Given a key "bob"
    When I ask "What is the colour of the secret door, and who has a key to it?" in every form with that key
    Then nothing of any prompt was cached
    When I ask "What is the colour of the secret door, and who has a key to it?" in every form with that key and
      | cache_prompt | false |
    Then nothing of any prompt was cached

  Scenario: Where an operator lets all share, they do
    Given jackfield serve runs with the demo model, which shares prefixes between all, and keys
    And a key "alice"
    When I ask "What is the colour of the secret door, and who has a key to it?" in every form with that key
    Then nothing of any prompt was cached
    Given a key "bob"
    When I ask "What is the colour of the secret door, and who has a key to it?" in every form with that key and
      | cache_prompt | false |
    Then nothing of any prompt was cached
    When I ask "What is the colour of the secret door, and who has a key to it?" in every form with that key
    Then each prompt was cached but for its last token
