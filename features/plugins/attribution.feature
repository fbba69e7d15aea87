@inprocess_only
Feature: Knowing whose fault it is
  A plugin that fails or hangs is named, with what was called and why it failed.

  Scenario: A plugin that raises at the start
    Given a plugin file that raises when the server starts
    And this plugins.toml
      """
      enabled = ["llama-cpu", "openai", "./mine.py"]
      kernel = { listen = "127.0.0.1:0", health = "127.0.0.1:0" }
      """
    When I run "jackfield serve"
    Then the command fails
    And it says "plugin mine: jackfield_startup raised ValueError: not today"

  Scenario: A plugin that hangs at the start
    Given a plugin file that never comes back when the server starts
    And this plugins.toml
      """
      enabled = ["llama-cpu", "openai", "./mine.py"]
      kernel = { listen = "127.0.0.1:0", health = "127.0.0.1:0", plugin_timeout_s = 1 }
      """
    When I run "jackfield serve"
    Then the command fails
    And it says "plugin mine: jackfield_startup has not returned after 1 s"

  Scenario: A plugin that hangs when it is imported does not hang the command line
    Given a plugin file that never comes back when it is imported
    And this plugins.toml
      """
      enabled = ["llama-cpu", "openai", "./mine.py"]
      kernel = { plugin_timeout_s = 1 }
      """
    When I run "jackfield config check"
    Then the command fails
    And it says "plugin mine: its import has not returned after 1 s"

  Scenario: A plugin that hangs at the end does not keep the server
    Given a plugin file that never comes back when the server ends
    When jackfield serve runs with my plugin
    And it is told to stop
    Then it ends within 10 seconds
    And its log mentions "plugin mine: jackfield_shutdown has not returned after 2 s"
