// The setting RATE_LIMITS: what it adds to the defaults, and what is wrong with it.
import { expect, it } from "vitest";
import { rateLimits } from "../../src/settings/rate-limits.ts";

const SECOND = 1_000;
const DEFAULTS = {
	signIns: "10 in 60 s",
	"signIns@address": "100 in 60 s",
	"unknownKeys@address": "30 in 60 s",
};

function parsed(text: string) {
	const limits = rateLimits.parse(text);
	return Object.fromEntries(
		limits.map(({ name, quota, windowMs }) => [
			name,
			`${quota} in ${windowMs / SECOND} s`,
		]),
	);
}

it.each<[string, string, object]>([
	["", "limits guesses alone", DEFAULTS],
	[
		"misses=50/30s, misses@address = 500/2m,writes=9/1h",
		"limits more",
		{
			...DEFAULTS,
			misses: "50 in 30 s",
			"misses@address": "500 in 120 s",
			writes: "9 in 3600 s",
		},
	],
	[
		"signIns=5/1h",
		"replaces a default",
		{ ...DEFAULTS, signIns: "5 in 3600 s" },
	],
	[
		"signIns=off, signIns@address=off",
		"turns defaults off",
		{ "unknownKeys@address": "30 in 60 s" },
	],
])("%j %s", (text, _, limits) => {
	expect(parsed(text)).toEqual(limits);
});

it.each([
	["misses=50", "has an entry that is not like misses=50/30s: misses=50"],
	["misses=50/30", "has an entry that is not like misses=50/30s"],
	["misses=-1/30s", "has an entry that is not like misses=50/30s"],
	["misses=1/1s,,", "has an entry that is not like misses=50/30s"],
	["reads=50/30s", "limits reads, which is none of requests,"],
	["unknownKeys=50/30s", "limits unknownKeys, which is none of requests,"],
	["misses=1/1s, misses=2/1s", "limits misses twice"],
	["misses=0/1s", "has misses beyond 1 to 1000000 in 1 to 86400 seconds"],
	["misses=1/25h", "has misses beyond 1 to 1000000 in 1 to 86400 seconds"],
])("refuses %j: it %s", (text, fault) => {
	const { error } = rateLimits.safeParse(text);
	expect(error?.issues[0]?.message).toContain(fault);
});
