@inprocess_only
Feature: Whose streams can be taken up again
  A stream is there for the key that asked for it, as long as the server runs.

  Background:
    Given jackfield serve runs with keys and streams that can be taken up again
    And a key "ann"

  Scenario: It is found by whoever asked for it, until the server was started again
    When I stream "[say:one two three]" with that key and keep where it is
    And I take it up again with that key
    Then it is read from its begin to its end
    When the gateway is killed
    Then within 20 seconds everything is ready again
    When I take it up again with that key
    Then it is refused with 404 "not_found"

  Scenario: Nobody else's key finds it
    When I stream "[say:one two three]" with that key and keep where it is
    Given a key "ben"
    When I take it up again with that key
    Then it is refused with 404 "not_found"
