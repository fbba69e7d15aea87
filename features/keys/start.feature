@inprocess_only
Feature: Going public
  A server that others can reach needs keys, and says what is missing.

  Scenario: Without an authenticator a public address is refused
    Given this plugins.toml
      """
      [kernel]
      listen = "0.0.0.0:0"
      health = "127.0.0.1:0"
      """
    When I run "jackfield serve"
    Then the command fails
    And it says "no authenticator is enabled"

  Scenario: With keys, but without a key file
    Given this plugins.toml
      """
      enabled = ["openai", "keys"]
      [kernel]
      listen = "0.0.0.0:0"
      health = "127.0.0.1:0"
      """
    When I run "jackfield serve"
    Then the command fails
    And it says "make a first key: jackfield keys create NAME"

  Scenario: A key is shown once
    Given this plugins.toml
      """
      enabled = ["openai", "keys"]
      """
    When I run "jackfield keys create laptop"
    Then the command succeeds
    And it says "jf_"
    When I run "jackfield keys list"
    Then it says "laptop"
    And it does not say "jf_"
