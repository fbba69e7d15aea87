@inprocess_only
Feature: Limits of keys, teams and models
  Whoever a rule is about has counters of its own, and all rules that apply hold together.

  Scenario: Each key has its own, and a team shares
    Given the key "ann" of the team "research"
    And the key "bob" of the team "research"
    And the key "cid" of the team "sales"
    And a server with these limits
      """
      [[config.limits.rules]]
      name = "keys"
      per = ["key"]
      requests = { hour = 2 }
      [[config.limits.rules]]
      name = "teams"
      per = ["team"]
      requests = { hour = 3 }
      """
    When the key "ann" asks "hello"
    And the key "ann" asks "hello"
    Then it is answered with 200
    When the key "ann" asks "hello"
    Then it is refused with 429 "rate_limit_exceeded"
    When the key "bob" asks "hello"
    Then it is answered with 200
    When the key "bob" asks "hello"
    Then it is refused with 429 "rate_limit_exceeded"
    When the key "cid" asks "hello"
    Then it is answered with 200

  Scenario: A limit for some keys and one model
    Given the key "ann" of the team "research"
    And the key "ci-nightly" of the team "research"
    And a server with these limits
      """
      [[config.limits.rules]]
      name = "nightly jobs"
      keys = ["ci-*"]
      models = ["script*"]
      requests = { hour = 1 }
      [[config.limits.rules]]
      name = "another model"
      models = ["large-*"]
      requests = { hour = 1 }
      """
    When the key "ci-nightly" asks "hello"
    And the key "ci-nightly" asks "hello"
    Then it is refused with 429 "rate_limit_exceeded"
    When the key "ann" asks "hello"
    And the key "ann" asks "hello"
    Then it is answered with 200
