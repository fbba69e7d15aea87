@inprocess_only @requires:prometheus
Feature: Figures for programs
  Who speaks no Prometheus gets the same figures as JSON, with percentiles.

  Scenario: Counters and percentiles as JSON
    Given a server with a scripted model
    When I ask "hello"
    Then the answer took 6 tokens
    When I look at "/metrics" as JSON
    Then the page says that "jackfield_generation_tokens_total" is at least 6
    And the page has the median and the 99th percentile of "jackfield_time_to_first_token_seconds"
