@inprocess_only
Feature: Behind a reverse proxy
  A proxy that is trusted is believed when it says who its client is; nobody else is.

  Scenario: The log has the client's address
    Given jackfield serve runs with a scripted model and these kernel settings
      | trusted_proxies | ["127.0.0.0/8"] |
    When I ask "hello" through a proxy that says it is for "203.0.113.9"
    Then the answer is "hello"
    And its log mentions "203.0.113.9"

  Scenario: Without trust it is a client like any other
    Given jackfield serve runs with a scripted model
    When I ask "hello" through a proxy that says it is for "203.0.113.9"
    Then the answer is "hello"
    And its log mentions "/v1/chat/completions"
    And its log does not mention "203.0.113.9"
