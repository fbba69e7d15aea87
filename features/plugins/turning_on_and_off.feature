@inprocess_only
Feature: Turning plugins on and off
  What is listed runs; what is not listed is not even imported.

  Scenario: A plugin that is off is never imported
    Given a plugin file that leaves a mark when it is imported
    When jackfield serve runs without that plugin
    Then there is no mark

  Scenario: A plugin that is on is imported
    Given a plugin file that leaves a mark when it is imported
    When jackfield serve runs with that plugin
    Then there is a mark

  Scenario: A plugin is turned off
    Given this plugins.toml
      """
      # what our team runs
      enabled = ["llama-cpu", "openai", "fcfs", "prometheus"]

      [models.demo]
      source = "jackfield:demo"  # until the real one is there
      """
    When I run "jackfield plugins disable prometheus"
    Then the command succeeds
    And plugins.toml is now
      """
      # what our team runs
      enabled = ["llama-cpu", "openai", "fcfs"]

      [models.demo]
      source = "jackfield:demo"  # until the real one is there
      """

  Scenario: A plugin is turned on
    Given this plugins.toml
      """
      enabled = ["llama-cpu", "openai"]  # no metrics yet
      """
    When I run "jackfield plugins enable prometheus"
    Then the command succeeds
    And plugins.toml is now
      """
      enabled = ["llama-cpu", "openai", "prometheus"]  # no metrics yet
      """
