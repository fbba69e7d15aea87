@inprocess_only
Feature: What a model writes around its calls
  Whatever the text is, an application gets calls that it can run, or text that is marked.

  Background:
    Given a server with a scripted model that calls tools
    And this tool
      """
      {"name": "look", "parameters": {"type": "object", "properties": {"where": {"type": "string"}}}}
      """

  Scenario: Text before a call
    When the model says, with that tool
      """
      I look.
      <tool_call>
      {"name": "look", "arguments": {"where": "über \"€\" [1]"}}
      </tool_call>
      """
    Then the answer is "I look."
    And it calls "look" with
      | where | über \"€\" [1] |

  Scenario: A call that breaks off is text, and marked
    When the model says, with that tool
      """
      <tool_call>
      {"name": "look", oops
      """
    Then it calls nothing
    And the answer has "oops"
    And the answer ended because of "malformed_tool_call"

  Scenario: Several calls
    When the model says, with that tool
      """
      <tool_call>{"name": "look", "arguments": {"where": "a"}}</tool_call>
      <tool_call>{"name": "look", "arguments": {"where": "b"}}</tool_call>
      """
    Then it calls "look" 2 times
    And the answer ended because of "tool_calls"

  Scenario: A second call where one may be
    When the model says, with that tool and one call at most
      """
      <tool_call>{"name": "look", "arguments": {"where": "a"}}</tool_call>
      <tool_call>{"name": "look", "arguments": {"where": "b"}}</tool_call>
      """
    Then it calls "look" 1 times
    And the answer ended because of "tool_calls"

  Scenario: Half a character, which no application could read
    When the model says, with that tool
      """
      <tool_call>{"name": "look", "arguments": {"where": "\ud83c"}}</tool_call>
      """
    Then it calls "look" with
      | where | � |

  Scenario: A call of a tool that is not there is text, and marked
    When the model says, with that tool
      """
      <tool_call>
      {"name": "jump", "arguments": {}}
      </tool_call>
      """
    Then it calls nothing
    And the answer has "jump"
    And the answer ended because of "malformed_tool_call"

  Scenario: A model whose way of calling nobody knows
    Given a server with a scripted model
    When I ask "Hello" with that tool and
      | temperature | 0 |
    Then it is refused with 400 "unsupported_parameter"
    And the error names "tools"
