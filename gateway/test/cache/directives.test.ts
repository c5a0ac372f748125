// The cache directives of a request, parsed from its headers.
import { describe, expect, it } from "vitest";
import {
	acceptedAgeMs,
	allowedAgeMs,
	parseDirectives,
} from "../../src/cache/directives.ts";

const NONE = {
	isNoCache: false,
	isNoStore: false,
	isOnlyIfCached: false,
	maxAgeMs: Number.POSITIVE_INFINITY,
	maxStaleMs: 0,
	minFreshMs: 0,
	staleIfErrorMs: Number.POSITIVE_INFINITY,
};

const read = (headers: Record<string, string>) =>
	parseDirectives(new Headers(headers));

describe("a request's directives", () => {
	it("are none by default", () => {
		expect(read({})).toEqual(NONE);
	});

	it.each([
		["no-cache", { isNoCache: true }],
		["no-store", { isNoStore: true }],
		["only-if-cached", { isOnlyIfCached: true }],
		["NO-Cache", { isNoCache: true }],
		["no-cache=x", { isNoCache: true }],
		["stale-if-error=9", { staleIfErrorMs: 9_000 }],
		["stale-if-error", { staleIfErrorMs: 0 }],
		["max-age=0", { maxAgeMs: 0 }],
		["max-age=60", { maxAgeMs: 60_000 }],
		['max-age="60"', { maxAgeMs: 60_000 }],
		["max-age = 60", { maxAgeMs: 60_000 }],
		["max-stale=60", { maxStaleMs: 60_000 }],
		["max-stale", { maxStaleMs: Number.POSITIVE_INFINITY }],
		["min-fresh=2", { minFreshMs: 2_000 }],
		[
			" no-store ,max-age=1,, min-fresh=2 ",
			{ isNoStore: true, maxAgeMs: 1_000, minFreshMs: 2_000 },
		],
		["only-if-cached,max-stale=9", { isOnlyIfCached: true, maxStaleMs: 9_000 }],
		["no-transform, max-age=3, community=x", { maxAgeMs: 3_000 }],
	])("are read: %s", (text, expected) => {
		expect(read({ "Cache-Control": text })).toEqual({ ...NONE, ...expected });
	});

	it.each([
		["max-age", { maxAgeMs: 0 }],
		["max-age=", { maxAgeMs: 0 }],
		["max-age=soon", { maxAgeMs: 0 }],
		["max-age=-1", { maxAgeMs: 0 }],
		["max-age=1.5", { maxAgeMs: 0 }],
		["max-age=1e9", { maxAgeMs: 0 }],
		["max-stale=much", { maxStaleMs: 0 }],
		["min-fresh=x", { minFreshMs: Number.POSITIVE_INFINITY }],
		["max-age=5, max-age=500", { maxAgeMs: 5_000 }],
	])(
		"have the strictest meaning if they are malformed: %s",
		(text, expected) => {
			expect(read({ "Cache-Control": text })).toEqual({ ...NONE, ...expected });
		},
	);

	it.each([
		'x="no-store, max-age=0"',
		"xno-cache",
		"no-cache-x",
		"nocache",
		"",
		",,=;",
	])("do not include what only looks like one: %s", (text) => {
		expect(read({ "Cache-Control": text })).toEqual(NONE);
	});

	it("are those of Pragma if there is no Cache-Control", () => {
		expect(read({ Pragma: "no-cache" })).toEqual({ ...NONE, isNoCache: true });
	});

	it("are not those of Pragma if there is a Cache-Control", () => {
		expect(read({ Pragma: "no-cache", "Cache-Control": "max-age=9" })).toEqual({
			...NONE,
			maxAgeMs: 9_000,
		});
	});
});

describe("the accepted age of an answer", () => {
	it.each([
		["", 5_000],
		["max-age=2", 2_000],
		["max-age=60", 5_000],
		["max-age=0", 0],
		["min-fresh=2", 3_000],
		["min-fresh=9", 0],
		["max-stale=4", 5_000],
		["max-age=1, max-stale=4", 5_000],
		["min-fresh=9, max-stale=4", 4_000],
		["max-stale", 5_000],
		["max-age=1, max-stale=2", 3_000],
	])(
		"is derived from a maximum staleness of 5 seconds and %s: %i ms",
		(text, expected) => {
			expect(allowedAgeMs(read({ "Cache-Control": text }), 5_000)).toBe(
				expected,
			);
		},
	);
});

describe("the accepted age of an answer while the origin is away", () => {
	it.each([
		["", Number.POSITIVE_INFINITY],
		["max-age=60", 60_000],
		["max-age=0", 0],
		["max-age=60, max-stale=4", 64_000],
		["max-age=60, max-stale", Number.POSITIVE_INFINITY],
		["max-stale=4", Number.POSITIVE_INFINITY],
		["min-fresh=2", 3_000],
		["min-fresh=9", 0],
		["min-fresh=2, max-stale=4", 7_000],
		["max-age=4, min-fresh=2", 2_000],
		["stale-if-error=0", 5_000],
		["stale-if-error=9", 14_000],
		["stale-if-error=9, max-age=7", 7_000],
	])(
		"is derived from a maximum staleness of 5 seconds and %s: %d ms",
		(text, expected) => {
			expect(acceptedAgeMs(read({ "Cache-Control": text }), 5_000)).toBe(
				expected,
			);
		},
	);
});
