@inprocess_only
Feature: Keys over HTTP
  Who has the scope admin makes keys and takes them back, and gives nothing that they lack.

  Background:
    Given jackfield serve runs with a scripted model, keys and admin

  Scenario: A key that was made opens the door at once, and is not shown again
    When the operator makes the key "laptop"
    And I ask "hello" with that key
    Then the answer is "hello"
    When the operator asks "GET /admin/v1/keys"
    Then the reply mentions "laptop"
    And the reply does not mention that key
    And its log mentions "key created"
    And its log does not mention that key

  Scenario: A key that was revoked is refused at once, one that was rotated when its grace is over
    When the operator makes the key "laptop"
    And the operator asks "POST /admin/v1/keys/laptop/rotate" with
      | grace_s | 3600 |
    Then it is answered with 201
    When I ask "hello" with that key
    Then the answer is "hello"
    When the operator asks "DELETE /admin/v1/keys/laptop"
    And I ask "hello" with that key
    Then it is refused with 401 "revoked_api_key"

  Scenario: What was made over HTTP is there on the command line, and the other way round
    When the operator makes the key "laptop"
    And I run "jackfield keys revoke laptop"
    Then the command succeeds
    And within 1 second that key is refused with "revoked_api_key"

  Scenario: Nobody gives what they lack
    Given a key "clerk" with "--scope admin"
    When "POST /admin/v1/keys" is asked with that key and
      | name   | friend       |
      | scopes | ["generate"] |
    Then it is refused with 403 "policy_denied"
    And the error names "scopes"

  Scenario: The last key that manages keys goes only where that is meant
    When the operator asks "DELETE /admin/v1/keys/boss"
    Then it is refused with 409 "conflict"
    And the error names "last_admin"
    When the operator asks "DELETE /admin/v1/keys/boss?last_admin=true"
    Then it is answered with 200
    When the operator asks "GET /admin/v1/keys"
    Then it is refused with 401 "revoked_api_key"
