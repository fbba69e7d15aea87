@inprocess_only
Feature: Streams that do not end well
  What a client has received stays valid; that something failed is told, once, in words a program can read.

  Scenario: The computation fails in the middle of an answer
    Given a server with a scripted model
    When I stream "[repeat:5:abc][fail:9]"
    Then the stream ends with the error "backend_fault" and no DONE
    And what came before the error is "abcabcabc"

  Scenario: Others do not notice
    Given a server with a scripted model
    When I stream "[repeat:5:abc][fail:9]"
    And I ask "hello"
    Then the answer is "hello"

  Scenario: A client that leaves a stream frees its place at once
    Given a server that runs 1 request at a time and lets 2 wait
    And an answer to "[repeat:3000:x][delay:10]" is being streamed
    When I hang up
    Then "hello" is answered within 5 seconds

  Scenario: A client that stops waiting for a whole answer frees its place at once
    Given a server that runs 1 request at a time and lets 2 wait
    When I ask "[repeat:3000:x][delay:10]" and hang up after 0.3 seconds
    Then "hello" is answered within 5 seconds
