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

  Scenario: Keys that somebody changes without asking the server are recorded
    When I run "jackfield keys create ann --role reader"
    Then the record says that others have "created" the key "ann"
    When I run "jackfield keys rotate ann"
    Then the record says that others have "changed" the key "ann"
    When the key "laptop" is cut out of the key file
    Then the record says that others have "removed" the key "laptop"
    And the record does not mention that key

  Scenario: What an administrator changes is recorded once
    Given a key "boss" with "--scope admin --scope generate"
    When "POST /admin/v1/keys" is asked with that key and
      | name   | made         |
      | scopes | ["generate"] |
    Then the record has a "admin" with
      | name   | boss                |
      | action | POST /admin/v1/keys |
    When I run "jackfield keys create later"
    Then the record says that others have "created" the key "later"
    And the record does not say that others have "created" the key "made"

  Scenario: What there is when a server starts and when it ends can be compared
    Then the record has a "lifecycle" with
      | action   | key.found |
      | resource | keys      |
    When the server stops
    Then the record has a "lifecycle" with
      | action   | key.left |
      | resource | keys     |
