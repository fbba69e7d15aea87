@inprocess_only
Feature: Looking after a running server
  Whoever runs a server sees how its workers are and restarts one, without a restart of the server.

  Scenario: The workers are listed
    Given jackfield serve runs with the scripted models "alpha" and "beta"
    When I run "jackfield workers list"
    Then the command succeeds
    And it says "alpha"
    And it says "beta"

  Scenario: A restart lets requests that run finish
    Given jackfield serve runs with a scripted model
    And an answer to "[repeat:150:ab][delay:10]" is being streamed
    When I run "jackfield workers restart scripted"
    Then the command succeeds
    And it says "scripted: ready"
    And the stream ends with DONE
    And "hello" is answered within 5 seconds

  Scenario: A restart at once ends them with an error
    Given jackfield serve runs with a scripted model
    And an answer to "[repeat:3000:ab][delay:10]" is being streamed
    When I run "jackfield workers restart scripted --now"
    Then the command succeeds
    And the stream ends with the error "worker_died" and no DONE
    And "hello" is answered within 5 seconds

  Scenario: The log of a worker that was killed is still there
    Given jackfield serve runs with a scripted model
    When a worker is killed
    Then within 10 seconds everything is ready again
    When I run "jackfield workers logs scripted"
    Then the command succeeds
    And it says "ended by SIGKILL"

  Scenario: No server is running
    When I run "jackfield workers list"
    Then the command fails
    And it says "jackfield serve starts one"

  Scenario: A server that was killed is not mistaken for one that runs
    Given jackfield serve runs with a scripted model
    When the supervisor is killed
    Then within 5 seconds none of its processes is left
    When I run "jackfield workers list"
    Then the command fails
    And it says "no server"
