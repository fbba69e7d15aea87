@inprocess_only
Feature: A server without Ollama's dialect
  The plugin takes its routes along, and nothing else.

  Scenario: Its routes are not served
    Given a server with a scripted model
    When I post "{}" to "/api/chat"
    Then it is refused with 404 "unknown_url"

  Scenario: Other routes are
    Given a server with a scripted model
    When I ask "Good morning"
    Then the answer is "Good morning"

  Scenario: With it, both are
    Given a server with a scripted model that speaks as Ollama
    When I ask "Good morning"
    Then the answer is "Good morning"
