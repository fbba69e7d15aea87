@inprocess_only
Feature: Web pages of strangers
  Without an authenticator only this machine is served: no web page may use a visitor's browser to reach the server.

  Background:
    Given a server with a scripted model

  Scenario: A page of another site is refused
    When I ask as a web page of "https://evil.example"
    Then it is refused with 403 "foreign_origin"

  Scenario: A foreign name that points at this machine is refused
    When I ask for the host "evil.example"
    Then it is refused with 403 "foreign_origin"

  Scenario: This machine's own names are served
    When I ask for the host "localhost"
    Then it is answered with 200
