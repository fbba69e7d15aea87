# Who may do what. Start from this: copy the folder, change data.json, and change the rules where that is not enough.
#
# `input` is described in docs/policy.md. Nothing of a prompt is in it: only ids, names, numbers and flags.
# Jackfield asks for `data.jackfield.decision`. Whatever is not allowed here is refused.
package jackfield

import rego.v1

# Without this line the policies are not loaded: where no rule says yes, the answer must be no.
default allow := false

# The tenant may have it, and at least one of the caller's roles grants it.
allow if {
	tenant_may
	some _ in granting
}

# What Jackfield reads: whether, and on what conditions or why not.
decision := {"allow": true, "obligations": obligations} if allow

else := {"allow": false, "reasons": reasons}

# --- tenants ---

tenant := data.tenants[input.principal.tenant]

# A route that asks no model is open to every known tenant; what may be done there depends on the role.
tenant_may if {
	tenant
	input.resource.kind == "route"
}

tenant_may if {
	input.resource.kind == "model"
	named(tenant.models, input.resource.name)
}

# --- roles ---

# Those of the caller's roles that grant what is asked, all of it.
granting contains name if {
	some name in input.principal.roles
	role := data.roles[name]
	named(role.actions, input.action)
	model_of(role)
	at_work(role)
	input.request.prompt_tokens <= role.prompt_tokens
	tools_of(role)
}

model_of(_) if input.resource.kind == "route"

model_of(role) if {
	input.resource.kind == "model"
	named(role.models, input.resource.name)
}

# Every tool that the model may call is on the role's list.
tools_of(role) if {
	every tool in input.request.tools {
		named(role.tools, tool)
	}
}

# A role without hours is always at work. Hours are in the server's own time zone; 1 is Monday.
at_work(role) if not role.hours

at_work(role) if {
	input.time.weekday >= role.hours.first_day
	input.time.weekday <= role.hours.last_day
	input.time.hour >= role.hours.from
	input.time.hour < role.hours.to
}

# --- names that may end in a star ---

named(patterns, name) if name in patterns

# No regular expressions: what callers choose could make them run for minutes.
named(patterns, name) if {
	some pattern in patterns
	endswith(pattern, "*")
	startswith(name, trim_suffix(pattern, "*"))
}

# --- why not ---

reasons contains "the tenant is not known, or has no such model" if not tenant_may

reasons contains "none of the caller's roles grants this now" if count(granting) == 0

# --- on what conditions ---

# Of several roles that grant it, the strictest conditions hold.
obligations["max_tokens"] := min([data.roles[name].max_tokens | some name in granting]) if {
	input.resource.kind == "model"
	count(granting) > 0
}

obligations["priority"] := max(urgencies) if {
	input.resource.kind == "model"
	urgencies := [data.roles[name].priority | some name in granting]
	count(urgencies) > 0
}

obligations["redact"] := true if tenant.redact
