@inprocess_only
Feature: llama-server's routes
  A program that was written for llama-server talks to this server; only the port changes.

  Background:
    Given a server with the demo model that speaks as llama-server

  Scenario: A text is continued
    When I complete as llama-server's clients do: "The studio" with
      | n_predict  | 4    |
      | ignore_eos | true |
    Then the completion has 4 tokens
    And the completion ended because of "limit"
    And the completion says how it was made, and where the time went

  Scenario: It comes token by token
    When I complete as llama-server's clients do: "The studio" with
      | n_predict  | 4    |
      | ignore_eos | true |
      | stream     | true |
    Then the completion came in pieces
    And the completion has 4 tokens

  Scenario: How far a long prompt is
    When I complete as llama-server's clients do: "A studio has a panel of sockets that every device is plugged into." with
      | n_predict       | 2    |
      | stream          | true |
      | return_progress | true |
    Then the progress of the prompt was told up to its end

  Scenario: How likely each token was
    When I complete as llama-server's clients do: "The studio" with
      | n_predict | 3 |
      | n_probs   | 5 |
    Then each token has its 5 likeliest ones

  Scenario: An answer of a certain form
    When I complete as llama-server's clients do: "Is it?" with
      | grammar | root ::= "maybe" |
    Then the completion says "maybe"

  Scenario: Samplers that are named are the only ones
    When I complete as llama-server's clients do: "The studio" with
      | n_predict   | 2         |
      | samplers    | ["top_k"] |
      | top_k       | 1         |
      | temperature | 1.5       |
    Then the completion was drawn with a temperature of 1

  Scenario: Several prompts
    When I complete as llama-server's clients do these texts
      | one   |
      | two   |
      | three |
    Then there are 3 completions

  Scenario: Text and tokens
    When I have "Plugins are sockets" made into tokens and back
    Then I have "Plugins are sockets" again

  Scenario: A conversation by hand is the conversation
    When I render "Good morning" and complete what comes of it
    Then as many tokens were read as in a chat of "Good morning"

  Scenario Outline: What cannot be done is refused by name
    When I complete as llama-server's clients do: "Hello" with
      | <field> | <value> |
    Then it is refused as llama-server does, naming "<field>"

    Examples:
      | field               | value                      |
      | post_sampling_probs | true                       |
      | lora                | [{"id": 0, "scale": 1}]    |
      | adaptive_target     | 0.5                        |
      | samplers            | ["temperature", "top_k"]   |
      | n_predict           | -2                         |
      | id_slot             | 99                         |
      | unheard_of          | 1                          |

  Scenario: What the server is
    When I ask for "/props" and "/slots" and "/health"
    Then each is answered in llama-server's words

  Scenario: A computed prompt outlives the server
    Given a server that saves slots
    When I complete as llama-server's clients do: "A studio has a panel of sockets that every device is plugged into." with
      | n_predict | 2 |
      | id_slot   | 1 |
    And I save slot 1 as "talk"
    And the server is started again
    And I restore slot 0 from "talk"
    And I complete as llama-server's clients do: "A studio has a panel of sockets that every device is plugged into." with
      | n_predict | 2 |
    Then almost nothing of the prompt was computed

  Scenario Outline: Documents are ranked in the client's own words
    Given a server with a scripted model that ranks documents
    When I rank documents as clients of <service> do
    Then the documents are ranked, the best first

    Examples:
      | service |
      | Jina    |
      | TEI     |
      | Cohere  |
