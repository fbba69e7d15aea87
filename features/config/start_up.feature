@inprocess_only
Feature: Configuration that cannot be used
  A mistake is found when the server starts, with the file, the line, the key and what to write instead.

  Scenario: A misspelt key
    Given this plugins.toml
      """
      enabled = ["openai"]

      [kernel]
      lisen = "127.0.0.1:0"
      """
    When I run "jackfield serve"
    Then the command fails
    And it says "plugins.toml:4"
    And it says "kernel.lisen"
    And it says "did you mean listen?"

  Scenario: A plugin that nobody provides
    Given this plugins.toml
      """
      enabled = ["opnai"]

      [kernel]
      listen = "127.0.0.1:0"
      health = "127.0.0.1:0"
      """
    When I run "jackfield serve"
    Then the command fails
    And it says "opnai"
    And it says "did you mean openai?"

  Scenario: A public address without anybody who checks the callers
    Given this plugins.toml
      """
      [kernel]
      listen = "0.0.0.0:0"
      health = "127.0.0.1:0"
      """
    When I run "jackfield serve"
    Then the command fails
    And it says "kernel.listen"
    And it says "authenticator"

  Scenario: A configuration is checked without being started
    Given this plugins.toml
      """
      [kernel]
      queue = -1
      """
    When I run "jackfield config check"
    Then the command fails
    And it says "kernel.queue"
