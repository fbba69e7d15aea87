@inprocess_only
Feature: Clients that take all connections
  One address has so many connections and no more, and the health port is out of everybody's reach.

  Background:
    Given a server with a scripted model and these kernel settings
      | connections_per_address | 3 |

  Scenario: A client with too many connections is refused, probes are not
    When a client holds 3 connections
    And I ask "hello"
    Then it is refused with 429 "too_many_connections"
    When I look at "/readyz"
    Then it is answered with 200

  Scenario: When it lets go there is room again
    When a client holds 3 connections
    And the client goes away
    Then within 5 seconds "hello" is answered again
