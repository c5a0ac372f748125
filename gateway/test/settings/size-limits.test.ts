// The setting SIZE_LIMITS: what it adds to the defaults, and what is wrong with it.
import { expect, it } from "vitest";
import { sizeLimits } from "../../src/settings/size-limits.ts";

const DEFAULTS = {
	url: 16_384,
	headers: 65_536,
	body: 104_857_600,
	answer: Number.POSITIVE_INFINITY,
	embedDepth: 32,
};

it.each<[string, object]>([
	["", DEFAULTS],
	["body=10MiB, url=8KiB", { ...DEFAULTS, body: 10_485_760, url: 8_192 }],
	["embedDepth = 3,headers=100", { ...DEFAULTS, embedDepth: 3, headers: 100 }],
	["answer=1MiB", { ...DEFAULTS, answer: 1_048_576 }],
	["body=off", { ...DEFAULTS, body: Number.POSITIVE_INFINITY }],
])("%j is %o", (text, limits) => {
	expect(sizeLimits.parse(text)).toEqual(limits);
});

it.each([
	["body", "has an entry that is not like body=10MiB: body"],
	["body=0", "has an entry that is not like body=10MiB: body=0"],
	["body=10MB", "has an entry that is not like body=10MiB"],
	["body=1,", "has an entry that is not like body=10MiB"],
	[
		"rows=5",
		"limits rows, which is none of url, headers, body, answer, embedDepth",
	],
	["toString=5", "limits toString, which is none of"],
	["url=1, url=2", "limits url twice"],
])("refuses %j: it %s", (text, fault) => {
	const { error } = sizeLimits.safeParse(text);
	expect(error?.issues[0]?.message).toContain(fault);
});
