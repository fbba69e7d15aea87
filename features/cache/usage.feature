@inprocess_only
Feature: What a cached prompt shows
  Clients see how much of a prompt was not computed again, and say themselves who may profit from theirs.

  Background:
    Given a server with a scripted model

  Scenario: A question asked again
    When I ask "This is a question that somebody asks twice" with
      | cache_salt | twice |
    Then nothing of its prompt was cached
    When I ask "This is a question that somebody asks twice" with
      | cache_salt | twice |
    Then at least 40 tokens of its prompt were cached
    And its usage adds up

  Scenario: What is computed and what is cached is counted apart
    When I ask "A question to be counted"
    And I ask "A question to be counted"
    And I ask "A question to be counted"
    Given what /metrics says
    When I ask "A question to be counted"
    Then "jackfield_prompt_tokens_total" has grown by what was computed
    And "jackfield_cached_tokens_total" has grown by what was cached
    And "jackfield_engine_prompt_tokens_total" has grown by what was computed

  Scenario: Those who share a salt share prompts, and nobody else
    When I ask "A question with a secret in it" with
      | cache_salt | red |
    And I ask "A question with a secret in it" with
      | cache_salt | blue |
    Then nothing of its prompt was cached
    When I ask "A question with a secret in it"
    Then fewer than 30 tokens of its prompt were cached
    When I ask "A question with a secret in it" with
      | cache_salt | red |
    Then at least 30 tokens of its prompt were cached

  Scenario: A prompt that is not to be cached
    When I ask "A question that leaves no trace" with
      | cache_prompt | false |
      | cache_salt   | none  |
    And I ask "A question that leaves no trace" with
      | cache_salt | none |
    Then nothing of its prompt was cached
    When I ask "A question that leaves no trace" with
      | cache_prompt | false |
      | cache_salt   | none  |
    Then nothing of its prompt was cached
