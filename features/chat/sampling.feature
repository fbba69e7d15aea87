Feature: How the next word is chosen
  Clients of OpenAI, llama-server and vLLM steer it under the names that they know.

  @inprocess_only
  Scenario: A token is banned
    Given a server with a scripted model
    When I ask "[say:hello]" with
      | logit_bias | {"e": false} |
    Then the answer is "h.llo"

  @inprocess_only
  Scenario: A token ends the answer
    Given a server with a scripted model
    When I ask "[say:hello]" with
      | stop_token_ids | [108] |
    Then the answer is "he"
    And the answer ended because of "stop"

  @inprocess_only
  Scenario: An answer is not shorter than I ask
    Given a server with a scripted model
    When I ask "[say:hello]" with
      | min_tokens | 8 |
    Then the answer is "hello..."

  Scenario: A repetition is penalised
    Given a server with the demo model
    When I ask "What can you do?" with
      | temperature | 0    |
      | max_tokens  | 96   |
      | ignore_eos  | true |
    And I remember the answer
    And I ask "What can you do?" with
      | temperature       | 0    |
      | frequency_penalty | 2    |
      | presence_penalty  | 2    |
      | max_tokens        | 96   |
      | ignore_eos        | true |
    Then the answer is another one than I remember

  Scenario Outline: Each way of choosing is honoured
    Given a server with the demo model
    When I ask "What can you do?" with
      | <field>    | <value> |
      | max_tokens | 8       |
    Then the answer is text

    Examples:
      | field              | value |
      | typical_p          | 0.9   |
      | top_n_sigma        | 1.5   |
      | xtc_probability    | 0.5   |
      | dry_multiplier     | 0.8   |
      | mirostat           | 2     |
      | dynatemp_range     | 0.5   |
      | repeat_penalty     | 1.1   |
      | repetition_penalty | 1.1   |

  Scenario Outline: What makes no sense is refused by name
    Given a server with the demo model
    When I ask "Hello" with
      | <field> | <value> |
    Then it is refused with 400 "invalid_value"
    And the error names "<param>"

    Examples:
      | field             | value            | param             |
      | frequency_penalty | 3                | frequency_penalty |
      | mirostat          | 3                | mirostat          |
      | logit_bias        | {"5": "much"}    | logit_bias.5      |
      | logit_bias        | {"999999": 1}    | logit_bias.999999 |
      | logit_bias        | [[999999, 1]]    | logit_bias[0][0]  |
      | min_tokens        | -1               | min_tokens        |
