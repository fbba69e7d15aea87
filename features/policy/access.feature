@inprocess_only
Feature: Who may do what
  Policies decide by who calls, what for and when. What none of them allows is refused, and the caller is told why.

  Scenario: Nothing is allowed that no policy allows
    Given a server with these policies
      """
      permit (principal in Role::"engineer", action, resource);
      """
    When I am "ada:engineer@acme"
    And I ask "hello"
    Then the answer is "hello"
    When I am "eve:visitor@acme"
    And I ask "hello"
    Then it is refused with 403 "policy_denied"

  Scenario: A tenant has the models that are named for it
    Given a server with these policies
      """
      permit (principal, action, resource);

      @reason("your organisation does not have this model")
      forbid (principal, action, resource == Model::"scripted")
      unless { principal.tenant == "acme" };
      """
    When I am "ada:engineer@acme"
    And I ask "hello"
    Then the answer is "hello"
    When I am "bob:engineer@globex"
    And I ask "hello"
    Then it is refused with 403 "policy_denied"
    And the error says "your organisation does not have this model"

  Scenario: Names of all scripts
    Given a server with these policies
      """
      permit (principal, action, resource) when { principal.tenant == "Größe" || principal.tenant like "山田*" };
      """
    When I am "ada:engineer@Größe"
    And I ask "hello"
    Then the answer is "hello"
    When I am "ada:engineer@山田太郎"
    And I ask "hello"
    Then the answer is "hello"
    When I am "ada:engineer@Grösse"
    And I ask "hello"
    Then it is refused with 403 "policy_denied"

  Scenario: A model that is refused is not a model that is not there
    Given a server with these policies
      """
      permit (principal, action, resource) when { resource.name like "small*" };
      """
    When I am "ada:analyst@acme"
    And I ask "hello"
    Then it is refused with 403 "policy_denied"
    When I am "ada:analyst@acme" and ask the model "medium"
    And I ask "hello"
    Then it is refused with 404 "model_not_found"

  Scenario: In working hours
    Given working hours that "are now", and a server with them
    When I am "con:contractor@acme"
    And I ask "hello"
    Then the answer is "hello"

  Scenario: Out of working hours
    Given working hours that "are over", and a server with them
    When I am "con:contractor@acme"
    And I ask "hello"
    Then it is refused with 403 "policy_denied"
    And the error says "come back in working hours"

  Scenario: Routes that ask no model are asked about, too
    Given a server with these policies
      """
      permit (principal, action == Action::"generate", resource is Model);
      permit (principal in Role::"engineer", action == Action::"models:read", resource is Route);
      """
    When I am "ada:engineer@acme"
    And I list the models
    Then the model I ask is one of them
    When I am "ana:analyst@acme"
    And I fetch "/v1/models"
    Then it is refused with 403 "policy_denied"

  Scenario: Only listed tools may be called
    Given a server with these policies
      """
      permit (principal, action, resource)
      when { ["search", "calculator"].containsAll(context.request.tools) };
      """
    When I am "ana:analyst@acme"
    And I ask "hello" with
      | tools | [{"type": "function", "function": {"name": "search"}}, {"type": "function", "function": {"name": "shell"}}] |
    Then it is refused with 403 "policy_denied"
    When I ask "hello" with
      | tools | [{"type": "function", "function": {"name": "sh\"; permit(principal, action, resource); //"}}] |
    Then it is refused with 400 "invalid_value"

  Scenario: A changed policy holds without a restart
    Given a server with these policies
      """
      permit (principal, action, resource);
      """
    And I am "ada:engineer@acme"
    When the house's policies become
      """
      permit (principal in Role::"admin", action, resource);
      """
    Then before long "hello" is refused with 403 "policy_denied"
    When the house's policies become
      """
      permit (principal in Role::"engineer", action, resource);
      """
    Then before long "hello" is answered

  Scenario: A broken edit changes nothing and is told
    Given a server with these policies
      """
      permit (principal in Role::"engineer", action, resource);
      """
    And I am "ada:engineer@acme"
    When the house's policies become
      """
      permit (principal, action, resource) when { context.request.prompt_token < 5 };
      """
    Then before long the server says that "cedar" is in trouble with "prompt_token"
    When I ask "hello"
    Then the answer is "hello"
    When I am "eve:visitor@acme"
    And I ask "hello"
    Then it is refused with 403 "policy_denied"

  Scenario: Policies of the policy store hold when they are written
    Given a policy store
    And a server with these policies
      """
      permit (principal, action, resource);
      """
    When I am "eve:visitor@acme"
    And I ask "hello"
    Then the answer is "hello"
    When I am "olga:operator@acme"
    And I write the document "house" with these policies
      """
      permit (principal in Role::"operator", action, resource);
      permit (principal in Role::"engineer", action, resource);
      """
    Then the document is written
    When I am "eve:visitor@acme"
    And I ask "hello"
    Then it is refused with 403 "policy_denied"
    When I am "olga:operator@acme"
    And I write the document "house" with these policies
      """
      permit (principal, action, resource) when { context.request.promt_tokens < 5 };
      """
    Then it is refused with 400 "invalid_value"
    And the error says "promt_tokens"
    When I am "eve:visitor@acme"
    And I ask "hello"
    Then it is refused with 403 "policy_denied"
