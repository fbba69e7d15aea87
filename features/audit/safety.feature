@inprocess_only
Feature: No answer without a record
  Where what a server does must be recorded, it does nothing that cannot be.

  Scenario: Where nothing can be written, requests are refused instead of going unrecorded
    Given jackfield serve runs with a scripted model and an audit record
    When the disk of the record is taken away
    Then soon "hello" is refused with 503 "audit_unavailable"
    And within 20 seconds readiness mentions "nothing can be recorded"

  Scenario: Where the operator wants that, records are lost instead, and it is said
    Given jackfield serve runs with a scripted model and an audit record that may lose events
    When the disk of the record is taken away
    Then 40 times "hello" is answered
    And within 20 seconds readiness mentions "events of the audit record were lost"

  Scenario: What is written cannot break its line or a terminal
    Given jackfield serve runs with a scripted model, keys and an audit record
    And a key "laptop"
    When I ask with that key as a user whose name ends lines, turns the writing and clears the screen
    And I run "jackfield audit verify"
    Then the command succeeds
    And every line of the record is printable ASCII
    And the record has no "guardrail"

  Scenario: Without a key nothing starts
    Given this plugins.toml
      """
      enabled = ["llama-cpu", "openai", "audit"]
      [kernel]
      listen = "127.0.0.1:0"
      health = "127.0.0.1:0"
      """
    When I run "jackfield serve"
    Then the command fails
    And it says "audit.key"
    When I run "jackfield audit init"
    Then the command succeeds
    And it says "keep a copy of it elsewhere"
