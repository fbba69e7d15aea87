@inprocess_only
Feature: A record that nobody can change unnoticed
  Each record stands on the one before it. What was changed or taken away is named, to the record.

  Background:
    Given jackfield serve runs with a scripted model, keys and an audit record
    And a key "laptop"
    And 3 answers to that key

  Scenario: A record that nobody has touched is whole
    When I run "jackfield audit verify"
    Then the command succeeds
    And it says "whole"

  Scenario: A changed record is named
    When the name "laptop" becomes "nobody" in the last record
    And I run "jackfield audit verify"
    Then the command fails
    And it says "changed"

  Scenario: A removed record is missing
    When the third record from the end is removed
    And I run "jackfield audit verify"
    Then the command fails
    And it says "missing"

  Scenario: An end that is cut off is missed
    When the server stops
    And the last 2 records are removed
    And I run "jackfield audit verify"
    Then the command fails
    And it says "truncated"

  Scenario: The chain goes on over kill -9 and a restart
    When the whole server is killed with kill -9 and started again
    And another answer is given to that key
    And I run "jackfield audit verify"
    Then it says "whole"
    And the record has 4 requests of "laptop"
