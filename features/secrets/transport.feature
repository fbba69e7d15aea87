@inprocess_only
Feature: Protected connections
  What clients and servers say to each other is nobody else's. Certificates and secrets are renewed while everybody goes on.

  Scenario: Answers come over TLS, and over nothing else
    Given a server with TLS and a scripted model
    When I ask "hello"
    Then the answer is "hello"
    And nobody is answered without TLS

  Scenario: Old versions are refused
    Given a server that speaks TLS 1.3 only
    When I ask "hello"
    Then the answer is "hello"
    And a client that speaks nothing newer than TLS 1.2 is not let in

  Scenario: Browsers stay with TLS
    Given a server with TLS and a scripted model
    When I ask "hello"
    Then browsers are told to stay with TLS

  Scenario: Without TLS browsers are not told to use it
    Given a server with a scripted model
    When I ask "hello"
    Then browsers are told nothing of TLS

  Scenario: A renewed certificate drops no stream
    Given a server with TLS and a scripted model
    When a long answer streams and the certificate is renewed
    Then the long answer arrives whole
    When I ask "hello"
    Then the answer is "hello"

  Scenario: A renewal that goes wrong changes nothing, and is said
    Given a server with TLS and a scripted model
    When the certificate is replaced by one that cannot be used
    Then soon readiness says "the certificate stays as it was"
    When I ask "hello"
    Then the answer is "hello"
    When a good certificate is put there
    Then soon readiness says nothing of "the certificate stays as it was"

  Scenario: Nobody chooses the address that guesses are counted for
    Given a server with keys, roles and administration
    When 11 guesses come that name 11 addresses as theirs
    Then it is refused with 429 "too_many_failures"

  Scenario: Whoever serves the world without TLS is warned
    When I run "jackfield doctor --set kernel.listen=0.0.0.0:0"
    Then it says "without TLS"

  Scenario: A rotated secret is taken up while the server runs
    Given jackfield serve runs with a scripted model, keys and an audit record
    And a key "laptop"
    When I ask "before" with that key
    And the key of the record is rotated and SIGHUP is sent
    And I ask "after" with that key
    Then the answer is "after"
    And the record is whole under both keys, and not under one of them

  Scenario: A secret that is gone changes nothing, and is said
    Given jackfield serve runs with a scripted model, keys and an audit record
    And a key "laptop"
    When the key of the record is taken away and SIGHUP is sent
    Then within 30 seconds readiness mentions "its secrets stay as they were"
    When I ask "hello" with that key
    Then the answer is "hello"
