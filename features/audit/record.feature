@inprocess_only
Feature: A record of what was decided
  Whoever runs a server can prove who was answered, what was refused, and that nobody has changed the record of it.

  Background:
    Given jackfield serve runs with a scripted model, keys and an audit record
    And a key "laptop"

  Scenario: A request is recorded, and what it said is not
    When I ask "hello out there" with that key
    Then the answer is "hello out there"
    And the record has a "request" with
      | name    | laptop |
      | outcome | ok     |
      | reason  | stop   |
    And the record does not mention "hello out there"
    And the record does not mention that key

  Scenario: Who has sent a text can be found
    When I ask "hello out there" with that key
    And I run "jackfield audit query --text INPUT" with the input "hello out there"
    Then it says "laptop"
    When I run "jackfield audit query --text INPUT" with the input "hello out here"
    Then it says "There are no such records."

  Scenario: A refused key is recorded without the key
    When I ask "hello" with the key "sk-made-up-by-somebody"
    Then it is refused with 401 "invalid_api_key"
    And the record has a "auth" with
      | outcome | denied          |
      | reason  | invalid_api_key |
    And the record does not mention "sk-made-up-by-somebody"

  Scenario: What an administrator changes is recorded
    Given a key "boss" with "--scope admin"
    When "POST /admin/v1/drain" is asked with that key
    Then the record has a "admin" with
      | name    | boss                 |
      | action  | POST /admin/v1/drain |
      | outcome | ok                   |

  Scenario: The life of the server and its models is recorded
    Then the record has a "lifecycle" with
      | action | server.started |
    And the record has a "lifecycle" with
      | action   | model.ready |
      | resource | scripted    |
