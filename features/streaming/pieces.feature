Feature: The pieces of a streamed answer
  A client shows an answer while it is being computed. It relies on what each piece says, and in which order.

  Background:
    Given a server with the demo model

  Scenario: Pieces come as OpenAI's reference says
    When I stream "Who are you?"
    Then the first piece has the role and no later one has
    And no piece but the first is empty
    And all pieces have the same id
    And one piece says that it ended because of "stop"
    And the stream ends with DONE

  Scenario: The usage is told on request
    When I stream "Who are you?" with
      | stream_options | {"include_usage": true} |
    Then the last piece has the usage
    And the stream ends with DONE

  @inprocess_only
  Scenario: No piece cuts a character
    Given a server with a scripted model
    When I stream "[say:Grüße, 世界 👋🏽!]"
    Then the streamed text is "Grüße, 世界 👋🏽!"
