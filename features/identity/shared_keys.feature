@inprocess_only
Feature: Keys that several servers share
  Where a policy store is enabled, keys are kept in it: what one server is told, all of them go by.

  Scenario: A key that one server revokes, the other refuses
    Given two servers with keys in one policy store
    And the operator's key in that store
    When the operator makes the key "laptop" on the first server
    Then soon both servers answer 200 to that key
    When the operator asks the first server "POST /admin/v1/keys/laptop/block"
    Then soon both servers answer 401 to that key
    When the operator asks the first server "POST /admin/v1/keys/laptop/unblock"
    Then soon both servers answer 200 to that key
    When I run "jackfield keys revoke laptop"
    Then the command succeeds
    And soon both servers answer 401 to that key

  Scenario: What a role brings is changed while servers run
    Given two servers with keys in one policy store
    And the operator's key in that store
    When the operator makes the key "ann" of the role "reader" on the first server
    Then soon both servers answer 403 to that key
    When the operator lets the role "reader" have the scope "models:read"
    Then soon both servers answer 200 to that key
    When the operator asks the first server "DELETE /admin/v1/policy/documents/role/reader"
    Then soon both servers answer 403 to that key
