@inprocess_only
Feature: Roles
  A role says which routes its holders may use, and which models. What nobody has said, nobody may.

  Background:
    Given a server with keys, roles and administration

  Scenario: A role opens what it is for, and nothing else
    When the operator makes the key "ann" with
      | roles | ["writer"] |
    And I ask "hello" with that key
    Then the answer is "hello"
    When "GET /v1/models" is asked with that key
    Then it is refused with 403 "insufficient_scope"

  Scenario: Several roles together bring all that each of them does
    When the operator makes the key "ann" with
      | roles | ["writer", "reader"] |
    And I ask "hello" with that key
    Then the answer is "hello"
    And the models that it sees are "scripted, other"

  Scenario: A role's holders see its models only
    When the operator makes the key "ann" with
      | roles  | ["writer"]      |
      | scopes | ["models:read"] |
    Then the models that it sees are "scripted"

  Scenario: A role that nobody knows brings nothing
    When the operator makes the key "ann" with
      | roles | ["emperor"] |
    And I ask "hello" with that key
    Then it is refused with 403 "insufficient_scope"

  Scenario: Who may look at keys and make some, may neither make mightier ones nor change the server
    When the operator makes the key "clerk" with
      | roles | ["clerk"] |
    And "POST /admin/v1/keys" is asked with that key and
      | name   | "friend"  |
      | scopes | ["embed"] |
    Then it is answered with 201
    When "POST /admin/v1/keys" is asked with that key and
      | name  | "friend-2" |
      | roles | ["writer"] |
    Then it is refused with 403 "policy_denied"
    And the error names "roles"
    When "PATCH /admin/v1/config" is asked with that key and
      | settings | {"kernel.log_level": "debug"} |
    Then it is refused with 403 "insufficient_scope"
