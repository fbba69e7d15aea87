@inprocess_only
Feature: The life of a key
  Keys are made, replaced and taken back while the server runs.

  Background:
    Given jackfield serve runs with a scripted model and keys
    And a key "laptop"

  Scenario: A revoked key is refused within a second
    When I run "jackfield keys revoke laptop"
    Then the command succeeds
    And within 1 second that key is refused with "revoked_api_key"

  Scenario: A revoked key does not come back with an older copy of the file
    Given a copy of the key file
    When I run "jackfield keys revoke laptop"
    Then within 1 second that key is refused with "revoked_api_key"
    When the copy of the key file is put back
    Then that key stays refused
    And its log mentions "lost revocations"

  Scenario: The old key is good for a while after a rotation
    When I run "jackfield keys rotate laptop --grace 1h"
    Then the command succeeds
    When I ask "hello" with that key
    Then the answer is "hello"

  Scenario: A key file that others can read opens no door
    When others may read the key file
    Then within 1 second that key is refused with "authentication_unavailable"
    And its log mentions "chmod 600 keys.toml"
    When only its owner may read the key file
    Then within 1 second that key is good again
