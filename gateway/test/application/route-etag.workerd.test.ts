// A route's ETag is of the bytes that the client gets, however the route makes its answer.
import fc from "fast-check";
import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { createRouteEtags } from "../../src/application/route-etag.ts";

const MOMENT = { feedEpoch: "epoch", seq: 7 };

/** Asks two routes of the same answer: one made by `context.json`, one made by hand of its bytes. */
async function askBoth(
	value: unknown,
	init: { status?: 200 | 201; headers?: Record<string, string> } = {},
	ifNoneMatch?: string,
	{ keepTexts, withEtag } = createRouteEtags(() => 0),
) {
	const app = new Hono();
	app.use(async (context, next) => {
		keepTexts(context);
		await next();
		const { res } = context;
		const answer = await withEtag(context.req.raw, res, MOMENT);
		if (answer === res) return;
		context.res = undefined;
		context.res = answer;
	});
	const { status = 200, headers = {} } = init;
	app.get("/json", (context) => context.json(value as object, status, headers));
	app.get("/init", (context) =>
		context.json(value as object, { status, headers }),
	);
	const type = { "content-type": "application/json" };
	app.get(
		"/bytes",
		() =>
			new Response(new TextEncoder().encode(JSON.stringify(value)), {
				...{ status, headers: { ...type, ...headers } },
			}),
	);
	return Promise.all(
		["/json", "/init", "/bytes"].map(async (path) => {
			const sent = ifNoneMatch ? { "If-None-Match": ifNoneMatch } : {};
			const answer = await app.request(path, { headers: sent });
			return {
				status: answer.status,
				headers: Object.fromEntries(answer.headers),
				body: await answer.text(),
			};
		}),
	);
}

describe("the ETag of a route", () => {
	it("is that of the bytes, of any JSON", async () => {
		await fc.assert(
			fc.asyncProperty(fc.jsonValue(), async (value) => {
				const [made, withInit, byHand] = await askBoth(value, {
					headers: { "x-shown": "yes" },
				});
				expect(made).toEqual(byHand);
				expect(withInit).toEqual(byHand);
				expect(byHand?.headers.etag).toMatch(/^"[\w-]{27}\.7\.epoch"$/);
				const etag = made?.headers.etag ?? "";
				const again = await askBoth(value, {}, etag);
				expect(again.map(({ status, body }) => [status, body])).toEqual(
					again.map(() => [304, ""]),
				);
			}),
			{ numRuns: 300 },
		);
	});

	it("is the same where the text was hashed before, and another with another type", async () => {
		const ways = createRouteEtags(() => 0);
		const types = ["application/json", "application/json; charset=utf-8"];
		const values = [{ id: 1 }, { id: 2 }, { id: 1 }];
		const seen = [];
		for (const type of types)
			for (const value of values) {
				const headers = { "content-type": type };
				const [, , byHand] = await askBoth(value, { headers });
				const [made] = await askBoth(value, { headers }, undefined, ways);
				expect(made).toEqual(byHand);
				seen.push(made?.headers.etag);
			}
		expect(new Set(seen).size).toBe(4);
	});

	it("is not set on other answers", async () => {
		for (const [value, init] of [
			[{ id: 1 }, { status: 201 }],
			["x".repeat(1_048_576), {}],
		] as const) {
			const [made, withInit, byHand] = await askBoth(value, init);
			expect(made).toEqual(byHand);
			expect(withInit).toEqual(byHand);
			expect(byHand?.headers.etag).toBeUndefined();
			expect(byHand?.body).toBe(JSON.stringify(value));
		}
	});

	it("is the route's own where it sets one", async () => {
		const [made] = await askBoth({ id: 1 }, { headers: { ETag: '"mine"' } });
		expect(made?.headers.etag).toBe('"mine"');
	});
});
