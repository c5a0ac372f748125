// What the fast path keeps with an entry.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createHitAnswers } from "../../src/fast-path/hit-answers.ts";
import { corsHeadersOf } from "../../src/http/cors.ts";
import { entryOf, viewOf } from "../support/cache.ts";
import { NOW } from "../support/tokens.ts";

describe("an entry that is answered with", () => {
	it("counts the headers that it keeps, and those of a 304, once each", () => {
		const counted: string[] = [];
		const { answerWith } = createHitAnswers(corsHeadersOf(["*"]), (name) =>
			counted.push(name),
		);
		const entry = entryOf();
		const fresh = { name: "films", entry, view: viewOf(), maxAgeMs: 5_000 };
		const ask = (sent: HeadersInit, now: number) =>
			answerWith(fresh, new Headers(sent), true, now);
		const etag = ask({}, NOW).headers.get("etag") ?? "";
		ask({}, NOW + 2_000);
		expect(counted).toEqual(["films"]);
		expect(ask({ "if-none-match": etag }, NOW).status).toBe(304);
		// Its age is another one, so that its headers are made again.
		ask({ "if-none-match": etag }, NOW + 2_000);
		expect(counted).toEqual(["films", "films"]);
	});

	it("says to each client what it would say to the first one", () => {
		const entry = entryOf();
		const cors = corsHeadersOf(["https://a.example", "https://b.example"]);
		const start = () => createHitAnswers(cors, () => {}).answerWith;
		const views = [viewOf(), viewOf({ asOf: NOW + 1_000 })];
		const request = fc.record({
			sent: fc.record(
				{
					origin: fc.constantFrom(
						"https://a.example",
						"https://b.example",
						"https://other.example",
					),
					"if-none-match": fc.constant("*"),
				},
				{ requiredKeys: [] },
			),
			isOverHttps: fc.boolean(),
			view: fc.constantFrom(...views),
			now: fc.constantFrom(NOW + 1_000, NOW + 3_000),
		});
		fc.assert(
			fc.property(fc.array(request, { minLength: 20 }), (requests) => {
				const known = start();
				for (const { sent, isOverHttps, view, now } of requests) {
					const fresh = { name: "films", entry, view, maxAgeMs: 5_000 };
					const ask = (answerWith: typeof known) =>
						partsOf(answerWith(fresh, new Headers(sent), isOverHttps, now));
					expect(ask(known)).toEqual(ask(start()));
				}
			}),
			{ numRuns: 20 },
		);
	});
});

function partsOf({ status, headers }: Response) {
	return { status, fields: [...headers] };
}
