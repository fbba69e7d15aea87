@inprocess_only
Feature: An address that somebody has
  A server that cannot start because of another one says which one that is.

  Scenario: The other process is named
    Given jackfield serve runs with a scripted model
    When a second server is started at the same address
    Then the command fails
    And it says which process has the address
