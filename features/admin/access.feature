@inprocess_only
Feature: Who may run the server over HTTP
  Administration needs somebody who is known and has the scope admin, on this machine too.

  Scenario: Without keys nobody administers, on this machine either
    Given jackfield serve runs with a scripted model and admin, but without keys
    Then its log mentions "nobody can use the routes for administrators"
    When I ask "hello"
    Then the answer is "hello"
    When anybody asks "GET /admin/v1/workers"
    Then it is refused with 401 "missing_api_key"
    When anybody asks "POST /admin/v1/drain"
    Then it is refused with 401 "missing_api_key"

  # whoever may use the machine makes the first key, on its command line
  Scenario: A key without the scope opens none of it
    Given jackfield serve runs with a scripted model, keys and admin
    And a key "laptop"
    Then only the operator is answered
      | GET /admin/v1/plugins            |
      | GET /admin/v1/models             |
      | GET /admin/v1/workers            |
      | GET /admin/v1/queues             |
      | GET /admin/v1/sequences/scripted |
      | GET /admin/v1/caches             |
      | DELETE /admin/v1/caches          |
      | GET /admin/v1/config             |
      | POST /admin/v1/config/reload     |
      | GET /admin/v1/keys               |

  Scenario: A key for some models does not run the whole server
    Given jackfield serve runs with a scripted model, keys and admin
    And a key "team" with "--scope admin --model scripted"
    When "GET /admin/v1/queues" is asked with that key
    Then it is answered with 200
    When "POST /admin/v1/drain" is asked with that key
    Then it is refused with 403 "policy_denied"
