@inprocess_only
Feature: Keys for those who may call
  Once keys are on, nobody is served without one, and a key can do what it was made for and nothing else.

  Background:
    Given jackfield serve runs with a scripted model and keys

  Scenario: Nobody is served without a key
    When I ask "hello"
    Then it is refused with 401 "missing_api_key"

  Scenario: Strangers learn nothing about what is there
    When I post "{}" to "/no/such/route"
    Then it is refused with 401 "missing_api_key"

  Scenario: A key opens the door
    Given a key "laptop"
    When I ask "hello" with that key
    Then the answer is "hello"
    And its log mentions "laptop"
    And its log does not mention that key

  Scenario: A key that nobody made
    When I ask "hello" with the key "sk-made-up"
    Then it is refused with 401 "invalid_api_key"

  Scenario: A key for one thing is not good for another
    Given a key "lister" with "--scope models:read"
    When I ask "hello" with that key
    Then it is refused with 403 "insufficient_scope"

  Scenario: A key for one model does not see the others
    Given a key "narrow" with "--model another-model"
    When I ask "hello" with that key
    Then it is refused with 404 "model_not_found"

  Scenario: A key's requests are no more urgent than it allows
    Given a key "nightly" with "--priority 10"
    When I ask "hello" with that key and
      | priority | 10 |
    Then the answer is "hello"
    When I ask "hello" with that key and
      | priority | 9 |
    Then it is refused with 403 "policy_denied"
    And the error names "priority"

  Scenario: Probes need no key
    Then within 20 seconds "/readyz" says "ready"
