@inprocess_only
Feature: Stop strings
  An application names texts at which the answer ends. The scripted model's tokens are single bytes, so every stop string
  here lies over the borders of several tokens.

  Background:
    Given a server with a scripted model

  Scenario Outline: The answer ends before the stop string
    When I ask "[say:<model>]" with
      | stop | <stop> |
    And I stream "[say:<model>]" with
      | stop | <stop> |
    Then the answer is "<answer>"
    And the streamed text is the answer
    And the answer ended because of "stop"

    Examples: shown up to the stop string
      | model            | stop             | answer    |
      | one.STOP.two     | STOP             | one.      |
      | STOP             | STOP             |           |
      | one STOSTOP two  | STOP             | one STO   |
      | one,two;three    | [";", "two"]     | one,      |
      | one€two          | €                | one       |

    Examples: shown whole
      | model            | stop             | answer    |
      | one STO          | STOP             | one STO   |
      | one stop         | STOP             | one stop  |
