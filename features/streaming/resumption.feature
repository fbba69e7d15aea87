@inprocess_only
Feature: Streams that are taken up again
  A connection breaks; the client goes on reading where it was.

  Background:
    Given a server with a scripted model whose streams can be taken up again

  Scenario: The rest is what the first connection would have got
    When I stream "[say:one two three]" and keep where it is
    And I take it up again after its event 3
    Then the rest is the same, event for event

  Scenario: A stream that nobody wants any more
    When I stream "[say:one two three]" and keep where it is
    And I cancel that stream
    Then it is not found any more

  Scenario: Two clients take up what is still being written
    When I stream "[delay:5][repeat:40:ab]" and lose the connection after event 3
    And two clients take it up again after its event 3
    Then both get the same rest, to its end
