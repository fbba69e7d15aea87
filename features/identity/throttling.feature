@inprocess_only
Feature: Guesses
  Whoever guesses keys is slowed down. Whoever has one is served, whatever others do behind the same address.

  Scenario: Guesses from one address are throttled, and good keys still served
    Given a server with keys, roles and administration
    When the operator makes the key "laptop"
    And 10 guesses come from this address
    Then it is refused with 401 "invalid_api_key"
    When 2 guesses come from this address
    Then it is refused with 429 "too_many_failures"
    And it says when to come back
    When I ask "hello" with that key
    Then the answer is "hello"

  Scenario: A program that goes on with a revoked key is throttled too
    Given a server with keys, roles and administration
    When the operator makes the key "old"
    And the operator asks "DELETE /admin/v1/keys/old"
    And that key is used 10 times
    Then it is refused with 401 "revoked_api_key"
    When that key is used 1 times
    Then it is refused with 429 "too_many_failures"
    When the operator asks "GET /admin/v1/keys"
    Then it is answered with 200

  Scenario: Clients behind a proxy are throttled one by one
    Given a server with keys behind a proxy that it trusts
    When 11 guesses come from "192.0.2.1" through the proxy
    Then it is refused with 429 "too_many_failures"
    When 1 guess comes from "192.0.2.2" through the proxy
    Then it is refused with 401 "invalid_api_key"

  Scenario: Many addresses of one subscriber are one
    Given a server with keys behind a proxy that it trusts
    When 10 guesses come from "2001:db8::1" through the proxy
    And 1 guess comes from "2001:db8::2" through the proxy
    Then it is refused with 429 "too_many_failures"
