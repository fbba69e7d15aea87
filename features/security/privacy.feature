@inprocess_only
Feature: Private by default
  What users write is theirs: the server's log tells of requests, not of what was said in them.

  Scenario: Prompts and answers are not in the log
    Given jackfield serve runs with a scripted model
    When I ask "the code word is heliotrope"
    Then the answer is "the code word is heliotrope"
    And its log mentions "/v1/chat/completions"
    And its log does not mention "heliotrope"

  Scenario: Nor are they when something fails
    Given jackfield serve runs with a scripted model
    When I stream "heliotrope [fail:3]"
    Then the stream ends with the error "backend_fault" and no DONE
    When I post "heliotrope" to "/v1/chat/completions"
    Then it is refused with 400 "malformed_body"
    And its log mentions "malformed_body"
    And its log does not mention "heliotrope"
