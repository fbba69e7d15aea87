@inprocess_only
Feature: Cached prompts survive what becomes of the server
  With kv-disk, a prompt that was computed once need not be computed again after a restart. A damaged file costs time
  and nothing else.

  Scenario: A restart of the worker
    Given jackfield serve runs with the demo model, which keeps prefixes on disk
    And a file "handbook.txt" of 100 words
    When I run "jackfield cache warm demo --json handbook.txt" against the server
    Then nothing of the prompt was cached
    And within 10 seconds the store "kv-disk" holds it
    When I run "jackfield workers restart demo"
    And I run "jackfield cache warm demo --json handbook.txt" against the server
    Then the prompt was cached but for its last token

  Scenario: A worker that was killed
    Given jackfield serve runs with the demo model, which keeps prefixes on disk
    And a file "handbook.txt" of 100 words
    When I run "jackfield cache warm demo handbook.txt" against the server
    Then within 10 seconds the store "kv-disk" holds it
    When a worker is killed
    Then within 20 seconds "demo" answers
    When I run "jackfield cache warm demo --json handbook.txt" against the server
    Then the prompt was cached but for its last token

  Scenario: Only who warmed a prompt profits from it after a restart
    Given jackfield serve runs with the demo model, which keeps prefixes on disk, and keys
    And a file "alice" with a key
    And a file "bob" with a key
    And a file "handbook.txt" of 100 words
    When I run "jackfield cache warm demo --key-file alice --json handbook.txt" against the server
    Then nothing of the prompt was cached
    And within 10 seconds the store "kv-disk" holds it
    When I run "jackfield workers restart demo"
    And I run "jackfield cache warm demo --key-file bob --json handbook.txt" against the server
    Then nothing of the prompt was cached
    When I run "jackfield cache warm demo --key-file alice --json handbook.txt" against the server
    Then the prompt was cached but for its last token

  Scenario: Answers after a restart are the same
    Given jackfield serve runs with the demo model in deterministic mode, which keeps prefixes on disk
    When I ask "Once upon a time there was a little girl who lived near a big forest with her mother, her old dog and three small cats. Every morning she went out to see the birds, and every evening she told her mother what the birds had sung that day. One day a blue bird came" with
      | max_tokens  | 24 |
      | temperature | 0  |
    And I remember the answer
    Then within 10 seconds the store "kv-disk" holds it
    When I run "jackfield workers restart demo"
    And I ask "Once upon a time there was a little girl who lived near a big forest with her mother, her old dog and three small cats. Every morning she went out to see the birds, and every evening she told her mother what the birds had sung that day. One day a blue bird came" with
      | max_tokens  | 24 |
      | temperature | 0  |
    Then at least 40 tokens of its prompt were cached
    And the answer is the one I remember

  Scenario: A worker that is killed while it saves
    Given jackfield serve runs with the demo model in deterministic mode, which keeps prefixes on disk
    When I ask "Once upon a time there was a little girl who lived near a big forest with her mother, her old dog and three small cats. Every morning she went out to see the birds, and every evening she told her mother what the birds had sung that day. One day a blue bird came" with
      | max_tokens   | 24    |
      | temperature  | 0     |
      | cache_prompt | false |
    And I remember the answer
    And I ask "Once upon a time there was a little girl who lived near a big forest with her mother, her old dog and three small cats. Every morning she went out to see the birds, and every evening she told her mother what the birds had sung that day. One day a blue bird came" with
      | max_tokens  | 24 |
      | temperature | 0  |
    And a worker is killed
    Then within 20 seconds "demo" answers
    When I ask "Once upon a time there was a little girl who lived near a big forest with her mother, her old dog and three small cats. Every morning she went out to see the birds, and every evening she told her mother what the birds had sung that day. One day a blue bird came" with
      | max_tokens  | 24 |
      | temperature | 0  |
    Then the answer is the one I remember

  Scenario: Files that were damaged are noticed
    Given jackfield serve runs with the demo model in deterministic mode, which keeps prefixes on disk
    When I ask "Once upon a time there was a little girl who lived near a big forest with her mother, her old dog and three small cats. Every morning she went out to see the birds, and every evening she told her mother what the birds had sung that day. One day a blue bird came" with
      | max_tokens  | 24 |
      | temperature | 0  |
    And I remember the answer
    Then within 10 seconds the store "kv-disk" holds it
    When a bit of each stored state is flipped
    And I run "jackfield workers restart demo"
    And I ask "Once upon a time there was a little girl who lived near a big forest with her mother, her old dog and three small cats. Every morning she went out to see the birds, and every evening she told her mother what the birds had sung that day. One day a blue bird came" with
      | max_tokens  | 24 |
      | temperature | 0  |
    Then the answer is the one I remember
    And nothing of its prompt was cached
    And the store "kv-disk" has noticed damage

  Scenario: A folder that others may enter is refused
    Given a folder "open" that others may enter
    And jackfield serve starts with the demo model, which keeps prefixes in the folder "open"
    Then within 20 seconds the model is refused
    When I run "jackfield workers list"
    Then it says "config.kv-disk.path"
    And it says "0700"
