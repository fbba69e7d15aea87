@inprocess_only
Feature: The status of overload
  Clients and balancers differ in what makes them come back or go elsewhere; the operator chooses.

  Scenario: A server that says 529
    Given a server with a scripted model and these kernel settings
      | queue           | 1   |
      | overload_status | 529 |
    When I ask "[repeat:20:x][delay:20]" 4 times at once
    Then 2 are answered
    And 2 are refused with 529 "queue_full" and told when to come back
