@inprocess_only
Feature: Everybody gets a share
  Tenants share the server by their weights; what one of them asks for does not stall the others.

  Scenario: Two keys of different weight
    Given jackfield serve shares one slot by these weights of keys
      | gold  | 3 |
      | basic | 1 |
    When each key asks "[repeat:40:x][delay:1]" 12 times at once
    Then of the first 12 answers 9 are for "gold"

  Scenario Outline: A long prompt does not stall an answer that runs
    Given a server that runs 2 requests at a time under the scheduler "<scheduler>"
    And an answer to "[repeat:3000:x]" is being streamed
    When a prompt of 2000 tokens comes in
    Then the answer went on in at least 25 steps of that prompt

    Examples:
      | scheduler             |
      | fcfs                  |
      | fair                  |
      | shortest-prompt-first |
