@inprocess_only
Feature: What the server fetches
  The server fetches things by names that others control. No name leads it to where it must not go.

  Scenario: A name that leads inside is not followed
    Given an issuer of tokens
    And the name "issuer.example" leads to "127.0.0.1"
    And a server that takes tokens of "issuer.example", where the issuer is
    And a token of that server's issuer for "alice"
    When I ask "hello" with that token
    Then it is refused with 503 "authentication_unavailable"
    And soon "/readyz" mentions "has an address that is not public"
    And nobody has asked the issuer for its keys

  Scenario: A name that changes where it leads gives away nothing
    Given an issuer of tokens
    And the name "issuer.example" leads to "127.0.0.1"
    And a server that takes tokens of "issuer.example", which may be private
    And a token for "alice"
    When I ask "hello" with that token
    Then the answer is "hello"
    When the name "issuer.example" leads to "169.254.169.254"
    Then soon "/readyz" mentions "has an address that is not public"
    When I ask "still here" with that token
    Then the answer is "still here"
