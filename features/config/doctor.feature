@inprocess_only
Feature: What is wrong here
  Before a server is started, its machine, its configuration, its models and its plugins can be checked.

  Scenario: A model whose file is not there
    Given this plugins.toml
      """
      [models.mine]
      source = "nowhere.gguf"
      """
    When I run "jackfield doctor"
    Then the command fails
    And it says "model mine"
    And it says "there is no file nowhere.gguf"

  Scenario: A configuration that cannot be read
    Given this plugins.toml
      """
      [kernel]
      queue = "many"
      """
    When I run "jackfield doctor"
    Then the command fails
    And it says "kernel.queue"
    And it says "open files"

  Scenario: A plugin whose check crashes
    Given a plugin file whose check ends its process
    And this plugins.toml
      """
      enabled = ["./crashing.py", "llama-cpu", "openai"]
      """
    When I run "jackfield doctor"
    Then the command fails
    And it says "crashing check"
    And it says "ended by SIGKILL"
    And it says "llama-cpu library"

  Scenario: Two plugins that want the same are found before a start
    Given this plugins.toml
      """
      enabled = ["llama-cpu", "openai", "second=openai"]
      """
    When I run "jackfield config check"
    Then the command fails
    And it says "frontends openai and second both serve"
