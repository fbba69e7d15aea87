@inprocess_only
Feature: Models that call tools in ways of their own
  Whatever a family of models writes around thoughts, answers and calls, an application sees none of it.

  Background:
    Given this tool
      """
      {"name": "look", "parameters": {"type": "object", "properties": {"where": {"type": "string"}}}}
      """

  Scenario: gpt-oss
    Given a server with a scripted model of the family "harmony"
    When the model says, with that tool
      """
      <|channel|>analysis<|message|>Where to?<|end|><|start|>assistant<|channel|>commentary<|message|>I look.<|end|><|start|>assistant<|channel|>commentary to=functions.look <|constrain|>json<|message|>{"where": "über"}<|call|>
      """
    Then the answer is "I look."
    And its thoughts are "Where to?"
    And it calls "look" with
      | where | über |

  Scenario: Mistral
    Given a server with a scripted model of the family "mistral"
    When the model says, with that tool
      """
      I look.[TOOL_CALLS]look[CALL_ID]a1b2c3d4e[ARGS]{"where": "über"}
      """
    Then the answer is "I look."
    And it calls "look" with
      | where | über |

  Scenario: Older Mistral models
    Given a server with a scripted model of the family "mistral"
    When the model says, with that tool
      """
      [TOOL_CALLS][{"name": "look", "arguments": {"where": "über"}}]
      """
    Then it calls "look" with
      | where | über |

  Scenario: DeepSeek R1
    Given a server with a scripted model of the family "deepseek"
    When the model says, with that tool
      """
      I look.

      <｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>look
      ```json
      {"where": "über"}
      ```<｜tool▁call▁end｜><｜tool▁calls▁end｜>
      """
    Then the answer is "I look."
    And it calls "look" with
      | where | über |

  Scenario: DeepSeek V4
    Given a server with a scripted model of the family "deepseek"
    When the model says, with that tool
      """
      <｜DSML｜tool_calls>
      <｜DSML｜invoke name="look">
      <｜DSML｜parameter name="where" string="true">über</｜DSML｜parameter>
      </｜DSML｜invoke>
      </｜DSML｜tool_calls>
      """
    Then it calls "look" with
      | where | über |

  Scenario: Command R
    Given a server with a scripted model of the family "command-r"
    When the model says, with that tool
      """
      Action: ```json
      [{"tool_name": "look", "parameters": {"where": "über"}}]```
      """
    Then it calls "look" with
      | where | über |

  Scenario: Kimi K2
    Given a server with a scripted model of the family "kimi" of "families"
    When the model says, with that tool
      """
      I look.<|tool_calls_section_begin|><|tool_call_begin|>functions.look:0<|tool_call_argument_begin|>{"where": "über"}<|tool_call_end|><|tool_calls_section_end|>
      """
    Then the answer is "I look."
    And it calls "look" with
      | where | über |

  Scenario: LFM2
    Given a server with a scripted model of the family "lfm2" of "families"
    When the model says, with that tool
      """
      <|tool_call_start|>[look(where="über")]<|tool_call_end|>
      """
    Then it calls "look" with
      | where | über |

  Scenario: MiniMax M2
    Given a server with a scripted model of the family "minimax" of "families"
    When the model says, with that tool
      """
      <think>Where to?</think>

      <minimax:tool_call>
      <invoke name="look">
      <parameter name="where">über</parameter>
      </invoke>
      </minimax:tool_call>
      """
    Then its thoughts are "Where to?"
    And it calls "look" with
      | where | über |

  Scenario: A call that breaks off is text, and marked
    Given a server with a scripted model of the family "harmony"
    When the model says, with that tool
      """
      <|channel|>commentary to=functions.look <|constrain|>json<|message|>{"where" oops
      """
    Then the answer has "oops"
    And the answer ended because of "malformed_tool_call"
