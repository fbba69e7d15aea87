@inprocess_only
Feature: Clients that never finish
  A client that sends too slowly, or nothing at all, loses its connection; the others notice nothing of it.

  Background:
    Given a server with a scripted model and these kernel settings
      | header_timeout_s | 0.5 |

  Scenario: Half a request is not waited for
    When a client sends half a request and falls silent
    Then it is disconnected
    When I ask "hello"
    Then the answer is "hello"
