@inprocess_only
Feature: On what conditions
  A permission may depend on something: how long answers are, which model gives them, what is recorded of them.

  Scenario: Long prompts are refused
    Given a server with these policies
      """
      permit (principal, action, resource);
      @reason("at most 100 tokens")
      forbid (principal, action, resource) when { context.request.prompt_tokens > 100 };
      """
    And I am "ada:engineer@acme"
    When I ask "hello"
    Then the answer is "hello"
    When I ask with a prompt of 200 words
    Then it is refused with 403 "policy_denied"
    And the error says "at most 100 tokens"

  Scenario: Long answers are cut
    Given a server with these policies
      """
      @obligation_max_tokens("5")
      permit (principal, action, resource);
      """
    And I am "ada:engineer@acme"
    When I ask "[repeat:50:x]"
    Then the answer is "xxxxx"
    And the answer ended because of "length"
    When I ask "[repeat:50:x]" with
      | max_tokens | 20 |
    Then the answer took 5 tokens
    When I ask "[repeat:50:x]" with
      | max_tokens | 3 |
    Then the answer took 3 tokens
    When I ask "[repeat:50:x]" with
      | max_tokens | 20 |
      | n          | 2  |
    Then the answer took 10 tokens

  Scenario: Streams are cut and refused alike
    Given a server with these policies
      """
      @obligation_max_tokens("5")
      permit (principal in Role::"engineer", action, resource);
      """
    And I am "ada:engineer@acme"
    When I stream "[repeat:50:x]"
    Then the streamed text is "xxxxx"
    And the stream ends with DONE
    When I am "eve:visitor@acme"
    And I ask "hello" with
      | stream | true |
    Then it is refused with 403 "policy_denied"

  Scenario: Each line of a batch is asked about as its owner's
    Given a server with these policies
      """
      permit (principal, action, resource is Route);
      @reason("not for visitors")
      forbid (principal in Role::"visitor", action, resource is Model);
      permit (principal, action, resource is Model);
      """
    And I am "eve:visitor@acme"
    When I hand over a batch of 2 chats
    Then the batch is completed
    And all 2 lines of the batch are refused with "policy_denied"
    And the batch says "not for visitors" where it says why
    When I am "ada:engineer@acme"
    And I hand over a batch of 2 chats
    Then the batch is completed
    And each of its 2 lines has an answer

  Scenario: A response that nobody waits for is asked about, too
    Given a server with these policies
      """
      permit (principal, action, resource is Route);
      @reason("not for visitors")
      forbid (principal in Role::"visitor", action, resource is Model);
      permit (principal, action, resource is Model);
      """
    When I am "eve:visitor@acme"
    And I ask for a response to "hello" that nobody waits for
    Then it fails with "policy_denied"

  Scenario: A policy sends requests where they must stay
    Given the models "small-us" with the tag "us" and "small-eu" with the tag "eu", both "chat"
    And a server with these policies
      """
      @condition
      @obligation_route("eu")
      permit (principal, action, resource) when { principal.tenant == "europa" };
      permit (principal, action, resource);
      """
    When I am "ada:engineer@acme" and ask the model "chat"
    And I ask "hello"
    Then the answer came from "small-us"
    When I am "eva:engineer@europa" and ask the model "chat"
    And I ask "hello"
    Then the answer came from "small-eu"
    When I am "eva:engineer@europa" and ask the model "small-us"
    And I ask "hello"
    Then it is refused with 403 "policy_denied"

  Scenario: What guardrails find is a policy's to judge
    Given a guardrail that flags passwords and masks cards
    And a server with these policies
      """
      permit (principal, action, resource);
      @reason("passwords are for administrators only")
      forbid (principal, action, resource)
      when { context.request.flags.contains("secrets/password") }
      unless { principal in Role::"admin" };
      """
    When I am "ana:analyst@acme"
    And I ask "hello"
    Then the answer is "hello"
    When I ask "my password"
    Then it is refused with 403 "policy_denied"
    And the error says "passwords are for administrators only"
    When I am "adm:admin@acme"
    And I ask "my password"
    Then the answer is "my password"

  Scenario: A policy that demands a guardrail has it
    Given a server with these policies
      """
      @obligation_guardrails("house")
      permit (principal, action, resource);
      """
    And I am "ada:engineer@acme"
    When I ask "hello"
    Then it is refused with 503 "guardrail_unavailable"

  Scenario: Nothing is recorded of what must not be
    Given a server with these policies
      """
      @condition
      @obligation_redact("true")
      permit (principal, action, resource) when { principal.tenant == "globex" };
      permit (principal, action, resource);
      """
    When I am "ada:engineer@acme"
    And I ask "a plain remark"
    Then the answer is "a plain remark"
    When I am "bob:engineer@globex"
    And I ask "a trade secret"
    Then the answer is "a trade secret"
    And the house's record does not mention "a trade secret"
