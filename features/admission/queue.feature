@inprocess_only
Feature: More requests than the server can run
  A bounded number waits; the others are told at once when to come back, so that nobody waits in vain.

  Background:
    Given a server that runs 1 request at a time and lets 2 wait

  Scenario: Requests beyond the queue are refused at once
    When I ask "[repeat:20:x][delay:50]" 5 times at once
    Then 3 are answered
    And 2 are refused with 429 "queue_full" and told when to come back

  Scenario: Those who wait are served in the order they came
    When I stream these one after the other, without waiting
      | [repeat:20:first ][delay:10] |
      | [repeat:2:second ][delay:10] |
      | third                        |
    Then they end in that order
