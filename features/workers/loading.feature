@inprocess_only
Feature: Several models on one server
  Models load one after the other in the order of the manifest, and one that cannot be loaded holds up nobody.

  Scenario: A model waits for its turn
    Given jackfield serve starts with the scripted models "alpha" and "beta" that load for 2 seconds
    Then within 10 seconds "/readyz" says "waiting for alpha to load"
    And within 20 seconds everything is ready again

  Scenario: A model that cannot be loaded
    Given jackfield serve starts with the scripted models "broken" and "beta", of which "broken" cannot be loaded
    Then within 20 seconds "beta" answers
    When I look at "/readyz?model=beta"
    Then it is answered with 200
    When I look at "/readyz?model=broken"
    Then it is answered with 503
    When I run "jackfield workers list"
    Then it says "the script refuses to load"
