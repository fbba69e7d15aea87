@inprocess_only
Feature: Less memory than the answers need
  Requests wait for memory or are computed again; none fails, and none brings the server down.

  Scenario: Everybody is answered although the memory cannot hold all at once
    Given a server that runs 4 requests at once on 120 tokens of memory
    When I ask "[repeat:20:ab]" 8 times at once
    Then all are answered with "abababababababababababababababababababab"
