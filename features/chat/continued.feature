Feature: Answers that the client has begun
  An application begins the assistant's message; the model goes on with it.

  Scenario: Only what is new is answered
    Given a server with the demo model
    When I ask "Who are you?" and begin the answer with "I am"
    Then the answer is text
    And the answer does not begin with "I am"
