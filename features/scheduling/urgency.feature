@inprocess_only
Feature: The urgent goes first
  Who asks for something urgent is served before others, without hurting them more than it must.

  Scenario: Of those that wait the most urgent is next
    Given a server that runs 1 request at a time under the scheduler "fair"
    When I stream the first of these, and then all others at once, with their priorities
      | [repeat:400:a][delay:5] | 0  |
      | [repeat:20:b][delay:5]  | 0  |
      | [repeat:20:c][delay:5]  | -5 |
    Then they end in the order "1, 3, 2"

  Scenario: What is much more urgent need not wait for a slot
    Given a server that runs 1 request at a time under the scheduler "fair"
    When I stream the first of these, and then all others at once, with their priorities
      | [repeat:400:a][delay:5] | 0   |
      | [repeat:20:b]           | -50 |
    Then they end in the order "2, 1"
    And answer 1 is "a" 400 times

  Scenario: An answer that was interrupted comes back the same, in deterministic mode
    Given the demo model in deterministic mode, one request at a time, under the scheduler "fair"
    When I ask "Tell me something about plugins." with
      | seed        | 7    |
      | temperature | 1.5  |
      | max_tokens  | 400  |
      | ignore_eos  | true |
    And I remember the answer
    And I stream "Tell me something about plugins." with
      | seed        | 7    |
      | temperature | 1.5  |
      | max_tokens  | 400  |
      | ignore_eos  | true |
    And I ask "What is the capital of France?" with the priority -50 in the middle of it
    Then the answer is text
    And the streamed text is the one I remember
    And some answer lost its slot on the way

  Scenario: Nobody waits for ever
    Given a server that runs 1 request at a time under the scheduler "fair" with
      | ageing_s | 0.01 |
    When I ask "late" with the priority 20 while others keep asking "[say:soon][delay:2]"
    Then it is answered with "late" before the others are done
