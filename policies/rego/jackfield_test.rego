# Tests of the policies: they run before a change goes live, with `jackfield policy test`, and with `opa test`.
# Write conditions with `with` in braces; see the README of jackfield_opa.
package jackfield_test

import rego.v1

import data.jackfield

engineer := {
	"action": "generate",
	"principal": {"id": "keys/ada", "tenant": "acme", "roles": ["engineer"]},
	"resource": {"kind": "model", "name": "demo"},
	"request": {"prompt_tokens": 40, "max_tokens": 200, "tools": []},
	"time": {"weekday": 1, "hour": 9, "minute": 0},
}

contractor := object.union(engineer, {"principal": {"id": "keys/bo", "tenant": "acme", "roles": ["contractor"]}})

test_engineers_generate if {
	jackfield.decision.allow with input as engineer
}

test_nobody_generates if {
	not jackfield.decision.allow with input as object.union(engineer, {"principal": {"tenant": "", "roles": []}})
}

test_tenants_have_their_own_models_only if {
	elsewhere := object.union(engineer, {"principal": {"id": "keys/ada", "tenant": "globex", "roles": ["engineer"]}})
	jackfield.allow with input as elsewhere
	not jackfield.allow with input as object.union(elsewhere, {"resource": {"kind": "model", "name": "large-70b"}})
}

test_contractors_work_from_eight_to_six if {
	every hour in [8, 12, 17] {
		jackfield.allow with input as object.union(contractor, {"time": {"weekday": 5, "hour": hour, "minute": 0}})
	}
	every hour in [0, 7, 18, 23] {
		not jackfield.allow with input as object.union(contractor, {"time": {"weekday": 5, "hour": hour, "minute": 0}})
	}
}

test_contractors_do_not_work_on_sundays if {
	not jackfield.allow with input as object.union(contractor, {"time": {"weekday": 7, "hour": 12, "minute": 0}})
}

test_prompts_have_a_ceiling if {
	jackfield.allow with input as object.union(contractor, {"request": {"prompt_tokens": 4096, "tools": []}})
	not jackfield.allow with input as object.union(contractor, {"request": {"prompt_tokens": 4097, "tools": []}})
}

test_contractors_have_no_tools if {
	not jackfield.allow with input as object.union(contractor, {"request": {"prompt_tokens": 1, "tools": ["search"]}})
}

test_contractors_wait_and_are_cut_short if {
	jackfield.decision.obligations == {"max_tokens": 256, "priority": 50} with input as contractor
}

test_a_star_ends_a_name if {
	jackfield.named(["other", "demo-*"], "demo-small")
	jackfield.named(["*"], "anything")
	not jackfield.named(["demo-*"], "demolition")
}
