@inprocess_only
Feature: Certificates of clients
  Machines show who they are without a key that could be copied: by a certificate that an authority of the house has signed.

  Scenario: A certificate says who calls
    Given a server that knows its staff by their certificates
    And a client with the certificate of "ann" of the unit "staff"
    When that client asks "hello"
    Then the answer is "hello"

  Scenario: A certificate of the house that nobody has listed is nobody's
    Given a server that knows its staff by their certificates
    And a client with the certificate of "bob" of the unit "guests"
    When that client asks "hello"
    Then it is refused with 401 "invalid_api_key"

  Scenario: Without a certificate nobody is served
    Given a server that knows its staff by their certificates
    When I ask "hello"
    Then it is refused with 401 "missing_api_key"

  Scenario: A certificate that somebody else has signed opens nothing
    Given a server that knows its staff by their certificates
    And a client with a certificate of "ann" that somebody else has signed
    Then that client is not let in

  Scenario: A revoked certificate is refused on connections that are open
    Given a server that knows its staff by their certificates
    And a client with the certificate of "ann" of the unit "staff"
    When that client asks "hello"
    And the certificate of "ann" is revoked
    Then soon that client is refused with 401 "revoked_api_key"

  Scenario: Pages of strangers cannot use a visitor's certificate
    Given a server that knows its staff by their certificates
    And a client with the certificate of "ann" of the unit "staff"
    When a page of "https://evil.example" has that client's browser ask "hello"
    Then it is refused with 401 "missing_api_key"
