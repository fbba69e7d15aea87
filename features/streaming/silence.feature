@inprocess_only
Feature: Streams that have nothing to say yet
  Proxies and clients hang up on silence, so there is none: a stream that waits sends comments, which no client sees.

  Scenario: A request that waits in the queue
    Given a server with a scripted model whose streams get a comment after 0.1 seconds
    When I stream "hello" while "[repeat:40:x][delay:20]" is being answered
    Then a comment comes before the first text
