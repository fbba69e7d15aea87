Feature: Measuring a server
  Whoever runs a server finds out how fast it is, as its clients see it.

  Background:
    Given a server with the demo model

  Scenario: A small measurement
    When I run "jackfield bench --requests 3 --concurrency 1,2 --input-tokens 16 --output-tokens 4" against the server
    Then the command succeeds
    And it says "TTFT"
    And it says "2 at once"

  Scenario: Nobody is there
    When I run "jackfield bench http://127.0.0.1:9"
    Then the command fails
    And it says "no server answers"
