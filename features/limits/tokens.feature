@inprocess_only
Feature: Tokens and money
  What an answer may take is reserved when it begins; what it has not taken is there again when it ends, however it ends.

  Scenario: Tokens in a window
    Given a server with these limits
      """
      [[config.limits.rules]]
      name = "everybody"
      completion_tokens = { hour = 60 }
      """
    When I ask "[repeat:20:x]" with
      | max_tokens | 60 |
    Then it is answered with 200
    When I ask "hello" with
      | max_tokens | 60 |
    Then it is refused with 429 "rate_limit_exceeded"
    When I ask "[repeat:20:x]" with
      | max_tokens | 30 |
    Then it is answered with 200
    When 1 hour passes
    And I ask "hello" with
      | max_tokens | 60 |
    Then it is answered with 200

  Scenario: A request that can never fit is told so
    Given a server with these limits
      """
      [[config.limits.rules]]
      name = "everybody"
      completion_tokens = { hour = 60 }
      """
    When I ask "hello" with
      | max_tokens | 61 |
    Then it is refused with 429 "insufficient_quota"
    And it is told not to try again by itself

  Scenario: A budget of money
    Given a server with these limits
      """
      [config.limits.prices.scripted]
      output = 1000000.0
      [[config.limits.rules]]
      name = "everybody"
      money = { day = 25.0 }
      """
    When I ask "[repeat:20:x]" with
      | max_tokens | 25 |
    Then it is answered with 200
    When I ask "hello" with
      | max_tokens | 10 |
    Then it is refused with 429 "insufficient_quota"
    And it is told not to try again by itself
    When 1 day passes
    And I ask "hello" with
      | max_tokens | 25 |
    Then it is answered with 200

  Scenario: Who hangs up gets back what was not used
    Given a server with these limits
      """
      [[config.limits.rules]]
      name = "everybody"
      completion_tokens = { hour = 1100 }
      """
    Given an answer to "[repeat:900:x][delay:10]" is being streamed
    When I ask "hello" with
      | max_tokens | 500 |
    Then it is refused with 429 "rate_limit_exceeded"
    When I hang up
    Then within 30 seconds "hello" is answered again with
      | max_tokens | 500 |

  Scenario: A worker that dies gives back what was not used
    Given jackfield serve runs with these limits
      """
      [[config.limits.rules]]
      name = "everybody"
      completion_tokens = { month = 1000 }
      """
    When I stream "[repeat:10:x][crash:5]" with
      | max_tokens | 1000 |
    Then the stream ends with the error "worker_died" and no DONE
    And within 60 seconds "hello" is answered again with
      | max_tokens | 900 |
