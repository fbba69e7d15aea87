@inprocess_only
Feature: What is kept is its owner's
  Whoever has another key finds nothing, as if it were not there.

  Scenario: Somebody else's response
    Given jackfield serve runs with a scripted model, keys and a record store
    And a key "ann"
    When I ask for a response to "hello" with that key
    Then the response can be read with that key
    Given a key "bob"
    Then nothing can be read of the response with that key
