@inprocess_only
Feature: Several policy engines, and those that break
  All engines are asked. One denial is enough, and where one cannot tell, nobody is let in.

  Scenario: One denial is enough
    Given a second policy engine that "denies"
    And a server with these policies
      """
      permit (principal, action, resource);
      """
    And I am "ada:engineer@acme"
    When I ask "hello"
    Then it is refused with 403 "policy_denied"
    And the error says "the house does not want it"

  Scenario: The strictest condition holds
    Given a second policy engine that allows 3 tokens
    And a server with these policies
      """
      @obligation_max_tokens("5")
      permit (principal, action, resource);
      """
    And I am "ada:engineer@acme"
    When I ask "[repeat:50:x]"
    Then the answer is "xxx"

  Scenario Outline: An engine that cannot tell lets nobody in
    Given a second policy engine that "<does>"
    And a server with these policies
      """
      permit (principal, action, resource);
      """
    And I am "ada:engineer@acme"
    When I ask "hello"
    Then it is refused with 503 "policy_unavailable"

    Examples:
      | does    |
      | breaks  |
      | hangs   |
      | mumbles |

  Scenario: Every decision is recorded, and no prompt
    Given a server with these policies
      """
      permit (principal in Role::"engineer", action, resource);
      """
    When I am "eve:visitor@acme"
    And I ask "where is the treasure?"
    Then it is refused with 403 "policy_denied"
    And the record has a decision "denied" about "scripted"
    And it is the decision that the answer names
    And the house's record does not mention "treasure"
    When I am "ada:engineer@acme"
    And I ask "hello"
    Then the record has a decision "allowed" about "scripted"
    And it is the decision that the answer names
