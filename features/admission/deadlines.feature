@inprocess_only
Feature: Clients that will not wait for ever
  Who says how long an answer is of use gets it in time, or is told at the earliest moment that it will not come.

  Background:
    Given a server that runs 1 request at a time and lets 2 wait

  Scenario: Waiting past the deadline ends the wait
    Given an answer to "[repeat:80:x][delay:20]" is being streamed
    When I ask "hello" with a deadline of 100 ms
    Then it is refused with 408 "deadline_exceeded"

  Scenario: What cannot begin in time is refused at once
    When I ask "[repeat:20:x][delay:20]"
    Then it is answered with 200
    Given an answer to "[repeat:80:x][delay:20]" is being streamed
    When I ask "hello" with a deadline of 50 ms
    Then it is refused with 429 "deadline_infeasible"

  Scenario: There is time enough
    When I ask "hello" with a deadline of 20000 ms
    Then the answer is "hello"
