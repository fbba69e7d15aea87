@inprocess_only
Feature: Tokens of the company's issuer
  Whoever the company's issuer vouches for is served, without a key of ours; whoever it does not vouch for is not,
  whatever the token says.

  Scenario: A token opens the door
    Given an issuer of tokens
    And a server with a scripted model that takes its tokens
    And a token for "alice"
    When I ask "hello" with that token
    Then the answer is "hello"

  Scenario: A token for another service is refused
    Given an issuer of tokens
    And a server with a scripted model that takes its tokens
    And a token for "alice" that is made out to "payroll"
    When I ask "hello" with that token
    Then it is refused with 401 "invalid_api_key"

  Scenario: A token whose time is over is refused, and says so
    Given an issuer of tokens
    And a server with a scripted model that takes its tokens
    And a token for "alice" whose time is over
    When I ask "hello" with that token
    Then it is refused with 401 "expired_api_key"

  Scenario: A token that asks to be believed without a signature is not
    Given an issuer of tokens
    And a server with a scripted model that takes its tokens
    And a token for "alice" that nobody has signed
    When I ask "hello" with that token
    Then it is refused with 401 "invalid_api_key"

  Scenario: The issuer changes its keys, and nobody notices
    Given an issuer of tokens
    And a server with a scripted model that takes its tokens
    And a token for "alice"
    When I ask "hello" with that token
    Then the answer is "hello"
    When the issuer changes its keys
    And I ask "again" with that token
    Then the answer is "again"
    When the issuer makes a token for "bob"
    And I ask "new" with that token
    Then the answer is "new"

  Scenario: Keys that somebody has copied are withdrawn
    Given an issuer of tokens
    And a server with a scripted model that takes its tokens
    And a token for "alice"
    When I ask "hello" with that token
    Then the answer is "hello"
    When the issuer withdraws its keys
    Then soon that token is refused with "invalid_api_key"

  Scenario: The issuer is away, and work goes on
    Given an issuer of tokens
    And a server with a scripted model that takes its tokens
    And a token for "alice"
    When I ask "hello" with that token
    Then the answer is "hello"
    When the issuer goes away
    Then soon "/readyz" mentions "issuer corp: no new keys"
    When I ask "still here" with that token
    Then the answer is "still here"

  Scenario: Somebody leaves the company
    Given an issuer of tokens
    And a server with a scripted model that takes its tokens
    And a token for "alice"
    When I ask "hello" with that token
    Then the answer is "hello"
    When the operator revokes what "alice" has
    Then soon that token is refused with "revoked_api_key"

  Scenario: Somebody leaves the company, and an administrator says so over HTTP
    Given an issuer of tokens
    And a server with a scripted model that takes its tokens and has a policy store
    And a token for "alice"
    When I ask "hello" with that token
    Then the answer is "hello"
    When an administrator revokes what "alice" has
    And I ask "hello" with that token
    Then it is refused with 401 "revoked_api_key"

  Scenario: A pod calls with the token that its cluster gave it
    Given a cluster that gives its keys to its own only
    And a server with a scripted model that takes the cluster's tokens
    And the token of the service account "trainer" in the namespace "ml"
    When I ask "hello" with that token
    Then the answer is "hello"

  Scenario Outline: What somebody may is what the groups bring that the issuer names
    Given an issuer of tokens
    And a server whose role "writer" may generate, for members of "ML Team"
    And a token for "alice" of the group "<group>"
    When I ask "hello" with that token
    Then it is answered with <status>

    Examples:
      | group   | status |
      | ML Team | 200    |
      | Payroll | 403    |
      | writer  | 403    |
