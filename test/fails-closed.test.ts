// Promise 7, fails closed: the planner never guesses at an unknown thing. The origin is asked each time, and an operator is
// told why. Every reason is tested in gateway/test/planner; here each kind of unknown thing goes through the whole stack.
import { beforeAll, describe, expect, it, vi } from "vitest";
import { originToken, stack } from "./support/client.ts";
import { secretKey } from "./support/people.ts";

const PRODUCTS = "/products?select=title&order=title&limit=3";

let operatorsKey: string;
let sameAtOrigin: string;
beforeAll(async () => {
	operatorsKey = await secretKey();
	sameAtOrigin = await originToken({ iss: "postern", role: "service" });
	// After a change of the schema nothing is stored for a while.
	await vi.waitFor(
		async () => expect((await ask(PRODUCTS)).cacheStatus).toContain("; hit"),
		{ timeout: 60_000, interval: 500 },
	);
}, 120_000);

describe("the origin is asked each time for", () => {
	it.each<[thing: string, path: string, headers: object, reason: string]>([
		["a relation", "/nowhere", {}, 'the schema api has no relation "nowhere"'],
		[
			"a column",
			`${PRODUCTS}&nothing=eq.1`,
			{},
			'"products" has no column "nothing"',
		],
		[
			"an embed",
			"/products?select=nowhere(*)",
			{},
			'nothing relates "products" to "nowhere"',
		],
		[
			"a function",
			"/rpc/nowhere",
			{},
			'the schema api has no function "nowhere"',
		],
		[
			"a parameter",
			"/products?title!x=eq.1",
			{},
			'the parameter "title!x" is not understood',
		],
		[
			"a preference",
			PRODUCTS,
			{ Prefer: "anything" },
			'the preference "anything" is not known to be harmless',
		],
		[
			"a profile",
			PRODUCTS,
			{ "Accept-Profile": "nowhere" },
			"the profile is none of the schemas that are exposed",
		],
	])("an unknown %s: %s", async (_, path, headers, reason) => {
		const expected = await fetch(stack.openPostgrestUrl + path, {
			headers: { ...headers, Authorization: `Bearer ${sameAtOrigin}` },
		});
		const body = await expected.text();
		for (const time of ["first", "second"]) {
			const { answer, cacheStatus, told } = await ask(path, headers);
			expect([time, cacheStatus, told]).toEqual([
				time,
				expect.stringContaining("fwd=bypass"),
				reason,
			]);
			expect([answer.status, await answer.text()]).toEqual([
				expected.status,
				body,
			]);
		}
	});
});

/** Asks as an operator, who is `told` the reason why the answer does not come from the cache. */
async function ask(path: string, headers: object = {}) {
	const answer = await fetch(`${stack.gatewayUrl}/rest/v1${path}`, {
		headers: {
			...headers,
			apikey: operatorsKey,
			"Postern-Explain": "1",
		},
	});
	const explanation = answer.headers.get("postern-explain");
	return {
		answer,
		cacheStatus: answer.headers.get("cache-status") ?? "",
		told: explanation && JSON.parse(explanation).reason,
	};
}
