Feature: Probes
  An orchestrator asks whether to send traffic, and whether to restart.

  Scenario: A server that can answer says so
    Given a server with the demo model
    When I look at "/readyz"
    Then it is answered with 200
    When I look at "/livez"
    Then it is answered with 200

  @inprocess_only
  Scenario: A model that is loading keeps traffic away, but is no reason to restart
    Given jackfield serve starts with a model that loads for 2 seconds
    When I look at "/readyz"
    Then it is answered with 503
    And within 30 seconds "/readyz" says "loading"
    When I look at "/livez"
    Then it is answered with 200
    When I ask "hello"
    Then it is refused with 503 "model_not_ready"
    And within 30 seconds everything is ready again
