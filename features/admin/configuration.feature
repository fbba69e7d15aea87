@inprocess_only
Feature: The configuration over HTTP
  What is in force can be read, and what may change while the server runs can be changed, one setting at a time.

  Background:
    Given jackfield serve runs with a scripted model, keys and admin

  Scenario: A change holds at once, and says where it comes from
    When the operator sets
      | config.fair.weights | {"keys/laptop": 3} |
      | kernel.log_level    | "debug"            |
    Then it is answered with 200
    And the setting "config.fair.weights" is {"keys/laptop": 3.0}, "changed live"
    And the setting "kernel.log_level" is "debug", "changed live"
    And the setting "config.fair.urgent_steps" is 10, "default"
    And its log mentions "settings changed"

  Scenario: A change is tried out
    When the operator tries out
      | config.fair.urgent_steps | 5 |
    Then the reply mentions "config.fair.urgent_steps"
    And the setting "config.fair.urgent_steps" is 10, "default"

  Scenario: What cannot be changed is named
    Then these changes are refused by their key (setting, value, code)
      | config.fair.urgent_steps | 0      | invalid_value         |
      | config.fair.urgent_step  | 5      | invalid_value         |
      | kernel.log_level         | "loud" | invalid_value         |
      | kernel.queue             | 5      | unsupported_parameter |
      | models.scripted.context  | 64     | unsupported_parameter |
      | nowhere.at_all           | 1      | invalid_value         |

  Scenario: The manifest takes changes back
    When the operator sets
      | kernel.log_level | "error" |
    And the operator asks "POST /admin/v1/config/reload"
    Then the reply mentions "kernel.log_level"
    And the setting "kernel.log_level" is "info", "default"
