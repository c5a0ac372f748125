// What the fast path keeps with an entry.
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
});
