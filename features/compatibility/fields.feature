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
      | seed                 | -1                                       |
      | n_predict            | -1                                       |
      | t_max_predict_ms     | 10000                                    |
      | n_indent             | 0                                        |
      | id_slot              | 1                                        |
      | sse_ping_interval    | -1                                       |
      | return_progress      | true                                     |
      | include_reasoning    | false                                    |
      | request_id           | null                                     |
      | lora                 | []                                       |

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
      | chat_template      | {{ messages }}                    |
      | documents          | [{"title": "Radios"}]             |
      | lora               | [{"id": 0, "scale": 1.0}]         |
      | bad_words          | ["radio"]                         |
      | allowed_token_ids  | [1, 2]                            |
      | return_token_ids   | true                              |
      | prompt_logprobs    | 1                                 |
      | truncate_prompt_tokens | 4                             |
      | skip_special_tokens | false                            |
      | kv_transfer_params | {"do_remote_decode": true}        |
      | reasoning_format   | none                              |

  Scenario Outline: What clients of many servers add to messages
    When I ask "Hello" with
      | messages   | [{"role": "user", "content": [{"type": "text", "text": "Hello", "cache_control": {"type": "ephemeral"}}]}, <message>, {"role": "user", "content": "Who are you?"}] |
      | max_tokens | 8 |
    Then the answer is text

    Examples:
      | message                                                                                |
      | {"role": "assistant", "content": "Hi.", "provider_specific_fields": {"refusal": null}} |
      | {"role": "assistant", "content": "Hi.", "cache_control": {"type": "ephemeral"}}        |
      | {"role": "assistant", "content": "Hi.", "reasoning_details": []}                       |

  Scenario Outline: Parts of messages that the model cannot read
    When I ask "Hello" with
      | messages | [{"role": "user", "content": [{"type": "<kind>", "<kind>": {}}]}] |
    Then it is refused with 400 "unsupported_parameter"
    And the error names "messages[0].content[0].type"

    Examples:
      | kind        |
      | image_url   |
      | input_audio |
      | file        |
      | video_url   |

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

  Scenario: In which phases the time went
    When I ask "Hello" with
      | max_tokens | 4 |
    Then the answer says in which phases the time went

  @inprocess_only
  Scenario: How much room there is
    Given a server that runs 2 request at a time and lets 3 wait
    When I ask "hello"
    Then the answer says that there is room for 5 requests, and for 4 more
    When I ask "hello" with
      | n | 2 |
    Then the answer says that there is room for 5 requests, and for 3 more

  Scenario: What computed an answer
    When I ask "Hello" with
      | max_tokens | 4 |
    And I remember the answer
    And I ask "Who are you?" with
      | max_tokens | 4 |
    Then both have the fingerprint of what computed them

  Scenario: What the client says about an answer
    When I ask "Hello" with
      | metadata   | {"team": "search"} |
      | max_tokens | 4                  |
    Then the answer repeats "metadata" as "{'team': 'search'}"

  Scenario: Chunks that do not tell the length of their text
    When I ask "Hello" with
      | stream         | true                          |
      | stream_options | {"include_obfuscation": true} |
      | max_tokens     | 8                             |
    Then all chunks with text have a length that is a multiple of 64

  Scenario: How far the prompt is
    When I ask "How far is this prompt?" with
      | stream          | true  |
      | return_progress | true  |
      | cache_prompt    | false |
      | max_tokens      | 4     |
    Then it is told how far the prompt is before the first text

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

  @inprocess_only
  Scenario: A message that the client has begun, repeated
    Given a server with a scripted model
    When I ask "[say:Hello there]" with
      | messages | [{"role": "user", "content": "[say:Hello there]"}, {"role": "assistant", "content": "Hello"}] |
      | echo     | true |
    Then the answer is "Hello there"

  @inprocess_only
  Scenario: The stop string that ended an answer
    Given a server with a scripted model
    When I ask "[say:one.STOP.two]" with
      | stop                       | STOP |
      | include_stop_str_in_output | true |
    Then the answer is "one.STOP"
    And the answer ended because of "stop"
