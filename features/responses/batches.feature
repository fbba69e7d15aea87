Feature: Many requests in one file
  An application hands over a night's work, and fetches the answers in the morning.

  @requires:sqlite
  Scenario: A batch is computed
    Given a server with the demo model
    When I hand over a batch of 5 chats
    Then the batch is completed
    And each of its 5 lines has an answer

  @requires:sqlite
  Scenario: A batch asks for responses
    Given a server with the demo model
    When I hand over a batch of 3 responses
    Then the batch is completed
    And each of its 3 lines has a response that can be read

  @requires:sqlite
  Scenario: A batch whose lines cannot be read
    Given a server with the demo model
    When I hand over a batch with the line "this is no request"
    Then the batch is failed
    And it says "invalid_json_line" of line 1

  @inprocess_only @slow
  Scenario: The gateway is killed in the middle of a batch
    Given jackfield serve runs with a scripted model and a record store
    When I hand over a batch of 12 chats
    And some lines of the batch are finished
    And the gateway is killed
    Then the batch is completed
    And each of its 12 lines has an answer
