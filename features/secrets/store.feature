@inprocess_only
Feature: Policies in a store
  Keys, roles and limits are kept sealed, in one place for all gateways. What changes is in force without a restart.

  Scenario: A key that is revoked at one gateway is refused by all
    Given two gateways that share a policy store
    And the key "ann" in the policy store
    Then within 5 seconds both gateways answer the key "ann"
    When the operator of the first gateway revokes the key "ann"
    Then within 5 seconds both gateways refuse the key "ann" with 401 "revoked_api_key"

  Scenario: What is written at one gateway holds at all, without a restart
    Given two gateways that share a policy store
    And the key "ann" in the policy store
    When the operator of the first gateway writes the document "limit/ann"
      """
      {"keys": ["ann"], "requests": {"hour": 1}}
      """
    Then it is answered with 200
    And within 5 seconds both gateways refuse the key "ann" with 429 "rate_limit_exceeded"
    When the operator of the first gateway deletes the document "limit/ann"
    Then within 5 seconds both gateways answer the key "ann"

  Scenario: A document that cannot be used is refused, and nothing changes
    Given two gateways that share a policy store
    When the operator of the first gateway writes the document "limit/ann"
      """
      {"keys": ["ann"], "requests": {"fortnight": 1}}
      """
    Then it is refused with 400 "invalid_value"
    And the error names "limit/ann"
    When I run "jackfield store list --kind limit"
    Then the command succeeds
    And it says "0 documents"

  Scenario: Two operators do not undo each other's work
    Given two gateways that share a policy store
    When the operator of the first gateway writes the document "limit/all"
      """
      {"requests": {"hour": 1000}}
      """
    And the operator of the second gateway writes the document "limit/all", as the first one had read it before
      """
      {"requests": {"hour": 2000}}
      """
    Then it is refused with 412 "conflict"
    When I run "jackfield store show limit all"
    Then it says "1000"

  Scenario: Nobody is let in while the store is out of reach
    Given two gateways that share a policy store
    And the key "ann" in the policy store
    Then within 5 seconds both gateways answer the key "ann"
    When the file of the policy store is taken away
    Then within 5 seconds both gateways refuse the key "ann" with 503 "policy_unavailable"
    And both gateways say on "/readyz" that "all requests are refused"
    When the file of the policy store is put back
    Then within 5 seconds both gateways answer the key "ann"

  Scenario: Without the key the store stays shut, and says nothing
    Given two gateways that share a policy store
    And the key "ann" in the policy store
    Then the files of the policy store do not mention "sha256"
    When the secret of the policy store is exchanged
    And I run "jackfield store list"
    Then the command fails
    And it says "config.store.key: the policy store is sealed with another key"

  Scenario: A copy that was tried out before is put into another store
    Given two gateways that share a policy store
    When the operator of the first gateway writes the document "limit/all"
      """
      {"requests": {"hour": 1000}}
      """
    And I run "jackfield store export policies.json --plain"
    And the operator of the first gateway deletes the document "limit/all"
    And I run "jackfield store import policies.json --dry-run"
    Then it says "+ limit/all"
    When I run "jackfield store import policies.json"
    Then it says "1 added"
    When I run "jackfield store show limit all"
    Then it says "1000"
