Feature: Fields of every client are honoured or refused
  What clients of OpenAI, vLLM, SGLang, llama-server and routers send does what it says, or is refused by name.

  Background:
    Given a server with the demo model

  Scenario Outline: Fields that are honoured
    When I ask "Hello" with
      | <field>    | <value> |
      | max_tokens | 8       |
    Then the answer is text

    Examples:
      | field                | value                                    |
      | user                 | ann@example.org                          |
      | safety_identifier    | u-4711                                   |
      | prompt_cache_key     | tenant-a                                 |
      | metadata             | {"team": "search"}                       |
      | service_tier         | flex                                     |
      | priority             | 5                                        |
      | reasoning_effort     | none                                     |
      | parallel_tool_calls  | false                                    |
      | chat_template_kwargs | {"enable_thinking": false}               |
      | timings_per_token    | true                                     |
      | stream_options       | {"continuous_usage_stats": true}         |
      | logit_bias           | {"0": -1}                                |

  Scenario Outline: Fields that cannot be
    When I ask "Hello" with
      | <field> | <value> |
    Then it is refused with 400 "unsupported_parameter"
    And the error names "<field>"
    And a client is told not to try again

    Examples:
      | field              | value                             |
      | modalities         | ["text", "audio"]                 |
      | audio              | {"voice": "alloy", "format": "mp3"} |
      | web_search_options | {}                                |
      | verbosity          | low                               |
      | return_tokens      | true                              |
      | prediction         | {"type": "content", "content": ""} |

  Scenario: The tier that served is told
    When I ask "Hello" with
      | service_tier | priority |
      | max_tokens   | 4        |
    Then the answer was served by the tier "priority"

  Scenario: Where the time went
    When I ask "Hello" with
      | timings_per_token | true |
      | max_tokens        | 4    |
    Then the answer says where the time went

  Scenario: How long the server took
    When I ask "Hello" with
      | max_tokens | 4 |
    Then the answer says how many milliseconds it took

  Scenario: The best of several continuations
    When I continue "Plugins are" with
      | n          | 1 |
      | best_of    | 3 |
      | max_tokens | 8 |
    Then there is one continuation, and all that were computed are counted

  @inprocess_only
  Scenario: A message that the client has begun
    Given a server with a scripted model
    When I ask "[say:Hello there]" and begin the answer with "Hello"
    Then the answer is " there"
