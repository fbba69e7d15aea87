Feature: The server says what it takes
  A document for tools, a page for people, and a record for each model: made from what really decodes and encodes.

  @requires:openapi
  Scenario: One document for all routes
    Given a server with the demo model
    When I read the server's description
    Then it is an OpenAPI 3.1 document
    And it describes "POST /v1/chat/completions"
    And it describes "GET /v1/models/{id}"
    And it shows what "POST /v1/chat/completions" refuses, with "param" in it

  @inprocess_only
  Scenario Outline: Only what is enabled is described, in its own dialect
    Given a server with a scripted model that describes itself, with "<plugin>"
    When I read the server's description
    Then it describes "<route>"
    And it does not describe "<other>"
    And it shows what "<route>" refuses, with "<field>" in it

    Examples:
      | plugin    | route             | other             | field      |
      | anthropic | POST /v1/messages | POST /api/chat    | request_id |
      | ollama    | POST /api/chat    | POST /v1/messages | error      |
      | llamacpp  | POST /completion  | POST /api/chat    | type       |

  @requires:openapi
  Scenario: A page that needs no network
    Given a server with the demo model
    When I open the page of the description
    Then the page shows "/v1/chat/completions"
    And the page runs nothing and loads nothing

  Scenario: What a model can be asked
    Given a server with the demo model
    When I ask what the model can do
    Then "POST /v1/chat/completions" takes "temperature"
    And "POST /v1/chat/completions" takes "tools"

  @inprocess_only
  Scenario: What a model cannot do is not in its record
    Given a server with a scripted model
    When I ask what the model can do
    Then "POST /v1/completions" takes "prompt"
    And "POST /v1/completions" does not take "suffix"
    And "POST /v1/responses" does not take "previous_response_id"

  @inprocess_only
  Scenario: Unknown fields are refused by name
    Given a server with a scripted model whose fields are judged in the mode "strict"
    When I ask "Hello" with
      | nobody_knows | 1 |
    Then it is refused with 400 "unknown_parameter"
    And the error names "nobody_knows"

  @inprocess_only
  Scenario: Unknown fields are listed
    Given a server with a scripted model whose fields are judged in the mode "warn"
    When I ask "Hello" with
      | nobody_knows | 1 |
    Then the answer says that "nobody_knows" was left out

  @inprocess_only
  Scenario: Unknown fields are passed over
    Given a server with a scripted model whose fields are judged in the mode "ignore"
    When I ask "Hello" with
      | nobody_knows | 1 |
    Then the answer says of no field that it was left out
