@inprocess_only
Feature: Stopping
  A release or a reboot costs no running answer.

  Scenario: Running answers are finished and new ones refused
    Given jackfield serve runs with a scripted model
    And an answer to "[repeat:100:x][delay:10]" is being streamed
    When it is told to stop
    Then new requests are refused
    And the stream ends with DONE
    And it ends with exit code 0

  Scenario: A second signal ends it at once
    Given jackfield serve runs with a scripted model
    And an answer to "[repeat:3000:x][delay:10]" is being streamed
    When it is told to stop
    And it is told to stop again
    Then it ends within 5 seconds
