@inprocess_only
Feature: Looking after cached prompts
  Whoever runs a server sees what it need not compute again, and can fill and empty that. No prompt is shown.

  Scenario: A prompt that was warmed is not computed again
    Given jackfield serve runs with a scripted model that keeps prefixes in memory
    And a file "handbook.txt" of 100 words
    When I run "jackfield cache warm scripted --json handbook.txt" against the server
    Then nothing of the prompt was cached
    When I run "jackfield cache warm scripted --json handbook.txt" against the server
    Then the prompt was cached but for its last token

  Scenario: A question that begins with a warmed prompt profits
    Given jackfield serve runs with a scripted model that keeps prefixes in memory
    When I run "jackfield cache warm scripted --prompt 'The beginning of a long story, and'" against the server
    And I ask "The beginning of a long story, and more"
    Then at least 30 tokens of its prompt were cached

  Scenario: An operator sees how much is cached, and no prompt
    Given jackfield serve runs with a scripted model that keeps prefixes in memory
    When I run "jackfield cache warm scripted --prompt xyzzy-plugh" against the server
    And I run "jackfield cache warm scripted --prompt xyzzy-plugh" against the server
    And I run "jackfield cache show --scopes"
    Then the command succeeds
    And it says "1 of 2, 50 %"
    And it says "kv-memory"
    And it does not say "xyzzy"

  Scenario: An operator has everything forgotten
    Given jackfield serve runs with a scripted model that keeps prefixes in memory
    When I run "jackfield cache warm scripted --prompt 'The beginning of a long story'" against the server
    And I run "jackfield cache clear"
    Then the command succeeds
    And it says "scripted: cleared; prefixes: 1"
    When I run "jackfield cache warm scripted --json --prompt 'The beginning of a long story'" against the server
    Then nothing of the prompt was cached

  Scenario: Only who warmed a prompt profits from it
    Given jackfield serve runs with a scripted model that keeps prefixes in memory, and keys
    And a file "alice" with a key
    And a file "bob" with a key
    And a file "handbook.txt" of 100 words
    When I run "jackfield cache warm scripted --key-file alice handbook.txt" against the server
    And I run "jackfield cache warm scripted --key-file bob --json handbook.txt" against the server
    Then nothing of the prompt was cached
    When I run "jackfield cache warm scripted --key-file alice --json handbook.txt" against the server
    Then the prompt was cached but for its last token

  Scenario: A model that is still loading says so
    Given jackfield serve starts with a model that loads for 60 seconds
    Then within 30 seconds "/readyz" says "loading"
    When I run "jackfield cache show"
    Then the command succeeds
    And it says "loading"

  Scenario Outline: The server that runs here is found
    Given jackfield serve runs with a scripted model that keeps prefixes in memory
    When I run "jackfield cache <command>"
    Then the command succeeds

    Examples:
      | command                      |
      | show                         |
      | clear                        |
      | warm scripted --prompt Hello |

  Scenario Outline: No server is running
    When I run "jackfield cache <command>"
    Then the command fails
    And it says "jackfield serve starts one"

    Examples:
      | command                      |
      | show                         |
      | clear                        |
      | warm scripted --prompt Hello |
