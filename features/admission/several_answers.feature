@inprocess_only
Feature: Requests for several answers
  Each answer takes a place, so that nobody gets more than the server has.

  Scenario: More answers than the server computes at once are refused
    Given a server that runs 1 request at a time and lets 5 wait
    When I ask "hello" with
      | n | 2 |
    Then it is refused with 400 "invalid_value"
    And the error names "n"

  Scenario: Answers that fail together fail once
    Given a server with a scripted model
    When I ask "[fail:3][repeat:9:x]" with
      | n | 3 |
    Then it is refused with 500 "backend_fault"
    And "[say:fine]" is answered within 20 seconds
