@inprocess_only @requires:prometheus
Feature: Counters
  What users get can be read off numbers, exactly.

  Scenario: A chat is counted with its tokens and its time to the first one
    Given a server with a scripted model
    And what /metrics says
    When I ask "hello"
    Then the answer took 6 tokens
    And "jackfield_generation_tokens_total" has grown by 6
    And "jackfield_time_to_first_token_seconds_count" has grown by 1
