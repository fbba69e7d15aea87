@inprocess_only
Feature: How long one will wait
  The server knows how fast it works and what waits: whom it cannot serve in time it tells at once when to come back.

  Scenario: The more that waits, the later one is told to come back
    Given a server that runs 1 request at a time and lets 6 wait
    When I ask "[repeat:20:x][delay:20]"
    Then it is answered with 200
    Given an answer to "[repeat:60:x][delay:20]" is being streamed
    When I ask "hello" with a deadline of 50 ms
    Then it is refused with 429 "deadline_infeasible"
    When I remember when to come back
    And I ask "[repeat:20:x][delay:20]" 7 times at once
    Then 6 are answered
    And 1 are refused with 429 "queue_full" and told when to come back
    And that is later than before
