@inprocess_only @requires:llama-cpu
Feature: Model files that cannot be loaded
  A damaged download is told from a broken server.

  Scenario: A model file that was cut off
    Given jackfield serve starts with a model file that was cut off
    Then within 20 seconds "/readyz" says "half.gguf"
    When I ask "hello"
    Then it is refused with 503 "model_load_failed"
    When I look at "/livez"
    Then it is answered with 200
