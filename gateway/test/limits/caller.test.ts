// Whom a request counts for: users by their subject, programs by their key or claims, everybody else by the network.
import { describe, expect, it } from "vitest";
import type { Claims } from "../../src/identity/identity.ts";
import { addressIn, callerOf } from "../../src/limits/caller.ts";

const at = (address: string, more = {}) =>
	new Headers({ "CF-Connecting-IP": address, ...more });

describe("the address", () => {
	it.each([
		["203.0.113.7", "203.0.113.7"],
		["2001:db8:0:1:2:3:4:5", "2001:db8:0:1"],
		["2001:DB8::5", "2001:db8:0:0"],
		["2001:db8:0:01::", "2001:db8:0:1"],
		["::1", "0:0:0:0"],
		["::ffff:203.0.113.7", "203.0.113.7"],
	])("of %s is %s", (address, network) => {
		expect(addressIn(at(address))).toBe(network);
	});

	it.each(["X-Forwarded-For", "X-Real-IP", "True-Client-IP", "Forwarded"])(
		"is never read from %s, which a client can forge",
		(name) => {
			expect(addressIn(new Headers({ [name]: "203.0.113.7" }))).toBe(undefined);
		},
	);
});

describe("two requests", () => {
	const name = ([role, claims, address, key]: [
		string,
		Claims,
		string,
		string?,
	]) => callerOf({ role, claims }, at(address, key && { apikey: key }), "anon");
	const ADA = { iss: "https://id.example.com", sub: "ada" };
	const [HERE, THERE] = ["203.0.113.7", "203.0.113.8"];

	it.each<[string, Parameters<typeof name>[0], Parameters<typeof name>[0]]>([
		["a user's at two addresses", ["user", ADA, HERE], ["user", ADA, THERE]],
		[
			"those without a credential from one address",
			["anon", {}, HERE],
			["anon", {}, HERE, "sb_publishable_x"],
		],
		[
			"a program's with one key",
			["service", {}, HERE, "postern_secret_1"],
			["service", {}, THERE, "postern_secret_1"],
		],
	])("are one caller's if they are %s", (_, one, other) => {
		expect(name(one)).toBe(name(other));
	});

	it.each<[string, Parameters<typeof name>[0], Parameters<typeof name>[0]]>([
		[
			"users' with two subjects",
			["user", ADA, HERE],
			["user", { ...ADA, sub: "bob" }, HERE],
		],
		[
			"users' of two issuers",
			["user", ADA, HERE],
			["user", { ...ADA, iss: "https://other.example.com" }, HERE],
		],
		[
			"without a user, from two addresses",
			["anon", {}, HERE],
			["anon", {}, THERE],
		],
		[
			"with the token of an app that has no subject, from two addresses",
			["anon", { iss: "supabase" }, HERE],
			["anon", { iss: "supabase" }, THERE],
		],
		[
			"programs' with two keys of one role",
			["service", {}, HERE, "postern_secret_1"],
			["service", {}, HERE, "postern_secret_2"],
		],
	])("are two callers' if they are %s", (_, one, other) => {
		expect(name(one)).not.toBe(name(other));
	});
});
