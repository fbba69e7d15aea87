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
    And I stream these one after the other, without waiting
      | [repeat:20:x][delay:20] |
      | [repeat:20:x][delay:20] |
      | [repeat:20:x][delay:20] |
      | [repeat:20:x][delay:20] |
    And I ask "hello" with a deadline of 50 ms
    Then it is refused with 429 "deadline_infeasible"
    And it is told to come back later than before
