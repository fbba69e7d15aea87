@inprocess_only
Feature: Processes that die
  One part's death costs what ran in it, and nothing else; the server repairs itself.

  Scenario: A worker is killed
    Given jackfield serve runs with the scripted models "alpha" and "beta"
    And answers of "alpha" and "beta" are being streamed
    When a worker is killed
    Then one stream ends with the error "worker_died" within 1 second
    And the other stream is complete
    And within 10 seconds everything is ready again

  Scenario: A model that brings its own worker down
    Given jackfield serve runs with a scripted model
    When I stream "[repeat:5:abc][crash:7]"
    Then the stream ends with the error "worker_died" and no DONE
    And within 10 seconds everything is ready again
    And "hello" is answered within 5 seconds

  Scenario: The gateway is killed
    Given jackfield serve runs with a scripted model
    When the gateway is killed
    Then within 10 seconds everything is ready again
    And the workers are the same processes
    And "hello" is answered within 5 seconds

  Scenario: The supervisor is killed
    Given jackfield serve runs with a scripted model
    When the supervisor is killed
    Then within 5 seconds none of its processes is left
