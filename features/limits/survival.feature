@inprocess_only
Feature: Counters that outlive a server, and counters that several share
  A restart forgets nothing. Servers that share a Redis share their limits, and say so when it is away.

  Scenario: A restart keeps the count
    Given a server with these limits
      """
      [[config.limits.rules]]
      name = "everybody"
      requests = { hour = 2 }
      """
    When I ask "hello"
    And the server is started anew
    And I ask "hello"
    Then the headers say that 0 of 2 requests are left
    When the server is started anew
    And I ask "hello"
    Then it is refused with 429 "rate_limit_exceeded"

  Scenario: A damaged file begins anew, and says so
    Given a server with these limits
      """
      [[config.limits.rules]]
      name = "everybody"
      requests = { hour = 2 }
      """
    When I ask "hello"
    And the file of the limits is damaged and the server is started anew
    And I ask "hello"
    Then the headers say that 1 of 2 requests are left
    And the server's troubles mention "limits.snapshot"

  Scenario: Two servers share a limit
    Given two servers that share these limits in Redis
      """
      [[config.limits.rules]]
      name = "everybody"
      requests = { hour = 3 }
      """
    When I ask "hello"
    And the other server is asked "hello"
    Then the headers say that 1 of 3 requests are left
    When I ask "hello"
    Then it is answered with 200
    When the other server is asked "hello"
    Then it is refused with 429 "rate_limit_exceeded"

  Scenario: Redis is gone, and nobody is let in uncounted
    Given a server with these limits in Redis
      """
      [[config.limits.rules]]
      name = "everybody"
      requests = { hour = 3 }
      """
    When Redis is gone
    And I ask "hello"
    Then it is refused with 503 "limiter_unavailable"
    And the server's troubles mention "Redis"
    When Redis is back
    Then within 30 seconds "hello" is answered again with
      | max_tokens | 5 |

  Scenario: Redis hangs, and nobody waits for it for long
    Given a server with these limits in Redis
      """
      [[config.limits.rules]]
      name = "everybody"
      requests = { hour = 3 }
      """
    When Redis hangs
    And I ask "hello"
    Then it is refused with 503 "limiter_unavailable"

  Scenario: Redis is gone, and the operator would rather answer
    Given a server with these limits in Redis
      """
      fail = "open"
      [[config.limits.rules]]
      name = "everybody"
      requests = { hour = 1 }
      """
    When Redis is gone
    And I ask "hello"
    And I ask "hello"
    Then it is answered with 200
    And the server's troubles mention "uncounted"
