@inprocess_only
Feature: Keys for an organisation
  A key says whose it is, can be changed while it is used, and is taken out of use when it must be.

  Background:
    Given a server with keys, roles and administration

  Scenario: A blocked key is refused until it is unblocked
    When the operator makes the key "laptop"
    And the operator asks "POST /admin/v1/keys/laptop/block"
    And I ask "hello" with that key
    Then it is refused with 401 "blocked_api_key"
    When the operator asks "POST /admin/v1/keys/laptop/unblock"
    And I ask "hello" with that key
    Then the answer is "hello"

  Scenario: What a key may is changed while it is used
    When the operator makes the key "laptop"
    And the operator asks "PATCH /admin/v1/keys/laptop" with
      | scopes | ["models:read"] |
      | team   | "search"        |
    Then it is answered with 200
    When I ask "hello" with that key
    Then it is refused with 403 "insufficient_scope"
    When the operator asks "GET /admin/v1/keys/laptop"
    Then the reply mentions "search"

  Scenario: When a key ends can be changed
    When the operator makes the key "laptop" with
      | expires | "2099-01-01T00:00:00Z" |
    And the operator asks "PATCH /admin/v1/keys/laptop" with
      | expires | "2001-01-01T00:00:00Z" |
    Then it is refused with 400 "invalid_value"
    And the error names "expires"
    When the operator asks "PATCH /admin/v1/keys/laptop" with
      | expires | null |
    And the operator asks "GET /admin/v1/keys/laptop"
    Then the reply does not mention "2099"

  Scenario: Whoever holds a key can be told which one it is
    When the operator makes the key "laptop"
    And I ask "hello" with that key
    And the operator asks for what that key begins with
    Then the reply mentions "laptop"
    And the reply mentions "last_used"
    And the reply does not mention that key

  Scenario: A key that was revoked is not unblocked
    When the operator makes the key "laptop"
    And the operator asks "DELETE /admin/v1/keys/laptop"
    And the operator asks "POST /admin/v1/keys/laptop/unblock"
    Then it is refused with 409 "conflict"
    When I ask "hello" with that key
    Then it is refused with 401 "revoked_api_key"
