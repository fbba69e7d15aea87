@inprocess_only
Feature: Running the server over HTTP
  What the command line does for whoever may use the machine, the admin routes do for whoever has the key.

  Background:
    Given jackfield serve runs with a scripted model, keys and admin
    And a key "laptop"

  Scenario: A drain finishes running answers, refuses new ones and ends the server
    Given an answer to "[repeat:100:x][delay:10]" is being streamed with that key
    When the operator asks "POST /admin/v1/drain"
    Then it is answered with 200
    And its log mentions "drain"
    And new requests are refused
    And the stream ends with DONE
    And it ends with exit code 0

  Scenario: A worker is restarted when its requests have ended
    Given an answer to "[repeat:100:x][delay:10]" is being streamed with that key
    When the operator asks "GET /admin/v1/sequences/scripted"
    Then it is answered with 200
    And the reply does not mention "repeat"
    When the operator asks "POST /admin/v1/workers/scripted/restart"
    Then it is answered with 200
    And the stream ends with DONE
    And within 20 seconds everything is ready again
    And its log mentions "worker restarted"
