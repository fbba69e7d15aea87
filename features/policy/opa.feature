@inprocess_only
Feature: Policies in Rego
  Who may ask what, and on what conditions, is decided by policies in Open Policy Agent's language: by the server itself,
  or by an OPA server. What nobody can decide is refused.

  Scenario: What the policies allow is served, what they do not is refused with the reason
    Given policies in Rego
      """
      allow if input.request.max_tokens <= 100

      reasons contains "at most 100 tokens" if not allow

      decision := {"allow": allow, "reasons": reasons}
      """
    And a server with a scripted model under these policies
    When I ask "hello" with
      | max_tokens | 100 |
    Then the answer is "hello"
    When I ask "hello" with
      | max_tokens | 101 |
    Then it is refused with 403 "policy_denied"
    And the error mentions "at most 100 tokens"
    And the refusal has the decision's id

  Scenario: What a permission depends on is done
    Given policies in Rego
      """
      allow if true

      decision := {"allow": allow, "obligations": {"max_tokens": 3}}
      """
    And a server with a scripted model under these policies
    When I ask "hello there" with
      | max_tokens | 50 |
    Then the answer ended because of "length"
    And the answer took 3 tokens

  Scenario: A guardrail that a permission depends on, and that is not there, is a refusal
    Given policies in Rego
      """
      allow if true

      decision := {"allow": allow, "obligations": {"guardrails": ["no-such-guardrail"]}}
      """
    And a server with a scripted model under these policies
    When I ask "hello"
    Then it is not answered

  Scenario: No policy reads a prompt
    Given policies in Rego
      """
      allow if not contains(json.marshal(input), "hunter2")
      """
    And a server with a scripted model under these policies
    When I ask "my password is hunter2"
    Then the answer is "my password is hunter2"

  Scenario: Changed policies hold without a restart
    Given policies in Rego
      """
      allow if true
      """
    And a server with a scripted model under these policies
    When I ask "hello"
    Then the answer is "hello"
    When the policies become
      """
      allow if input.action == "embed"
      """
    Then sooner or later "hello" is refused with 403 "policy_denied"

  Scenario: A broken edit keeps the policies that were, and says so
    Given policies in Rego
      """
      allow if true
      """
    And a server with a scripted model under these policies
    When the policies become
      """
      allow if {
      """
    Then sooner or later its readiness tells of "main.rego:7"
    When I ask "hello"
    Then the answer is "hello"
    When the policies become
      """
      allow if false
      """
    Then sooner or later "hello" is refused with 403 "policy_denied"

  Scenario: An edit that fails its own tests is not used
    Given policies in Rego
      """
      allow if input.request.max_tokens <= 100
      """
    And tests of these policies
      """
      test_nobody_gets_a_thousand_tokens if {
        not jackfield.allow with input as {"request": {"max_tokens": 1000}}
      }
      """
    And a server with a scripted model under these policies
    When the policies become
      """
      allow if true
      """
    Then sooner or later its readiness tells of "test_nobody_gets_a_thousand_tokens"
    When I ask "hello" with
      | max_tokens | 1000 |
    Then it is refused with 403 "policy_denied"

  Scenario: Policies that hang are ended, and only who made them hang is refused
    Given policies in Rego
      """
      allow if not hangs

      hangs if {
        input.request.max_tokens == 13
        regex.match("^(a+)+$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!")
      }
      """
    And a server with a scripted model under these policies
    When 8 others ask "hello" while I ask "hello" with
      | max_tokens | 13 |
    Then the others are answered, and I am refused with 503 "policy_unavailable"
    And sooner or later "hello" is answered

  Scenario: An OPA server decides
    Given an OPA server that answers
      """
      {"result": {"allow": true, "obligations": {"max_tokens": 2}}, "decision_id": "d-1"}
      """
    And a server with a scripted model that asks it
    When I ask "hello"
    Then the answer took 2 tokens

  Scenario: An OPA server that says nothing about it has not allowed it
    Given an OPA server that answers
      """
      {}
      """
    And a server with a scripted model that asks it
    When I ask "hello"
    Then it is refused with 403 "policy_denied"
    And the error mentions "the policies say nothing about this"

  Scenario: An answer that is no decision is a refusal
    Given an OPA server that answers
      """
      {"result": {"allow": "true"}}
      """
    And a server with a scripted model that asks it
    When I ask "hello"
    Then it is refused with 403 "policy_denied"

  Scenario: Nothing is allowed while the OPA server is away
    Given an OPA server that answers
      """
      {"result": true}
      """
    And a server with a scripted model that asks it
    When I ask "hello"
    Then the answer is "hello"
    When the OPA server goes away
    And I ask "hello"
    Then it is refused with 503 "policy_unavailable"
    And sooner or later its readiness tells of "OPA cannot be asked"

  Scenario: An OPA server that does not answer in time has not allowed it
    Given an OPA server that answers
      """
      {"result": true}
      """
    And a server with a scripted model that asks it
    When the OPA server falls silent
    And I ask "hello"
    Then it is refused with 503 "policy_unavailable"

  Scenario: Who wants to go on without policies has to say so, and is reminded
    Given an OPA server that answers
      """
      {"result": true}
      """
    And a server with a scripted model that asks it, and allows what cannot be decided
    When the OPA server goes away
    And I ask "hello"
    Then the answer is "hello"
    And sooner or later its readiness tells of "what cannot be decided is allowed"

  Scenario: Policies are tried on the command line
    Given policies in Rego
      """
      allow if input.principal.roles[_] == "engineer"
      """
    And a plugins.toml with these policies
    When I run "jackfield policy eval INPUT" with the input "{}"
    Then the command fails
    And it says "jackfield policy input"
    When I run "jackfield policy test"
    Then the command succeeds
    And it says "there are no tests"
