// The explanation of an answer: in one ASCII header, for the roles of EXPLAIN_ROLES.
import { describe, expect, it } from "vitest";
import { explain } from "../../src/cache/explain.ts";
import type { PlannedRead } from "../../src/cache/plan-read.ts";
import { planOf, viewOf } from "../support/cache.ts";

const asking = new Request("https://x.example/", {
	headers: { "Postern-Explain": "1" },
});
const plan = planOf(new Request("https://x.example/notes"));

function told(planned?: PlannedRead): string | null {
	const explanation = explain(asking, true);
	if (planned !== undefined) explanation?.note(planned);
	const headers = new Headers();
	explanation?.tell(headers);
	return headers.get("Postern-Explain");
}

const cacheable = (changes: object): PlannedRead =>
	({
		plan: { ...plan, ...changes },
		view: viewOf({ seq: 9, prunedBelow: 2 }),
		maxAgeMs: 5_000,
	}) as PlannedRead;

describe("an explanation", () => {
	it("is absent unless the request asks for it", () => {
		expect(explain(new Request("https://x.example/"), true)).toBeUndefined();
	});

	it("is not refused unless the request asks for it", () => {
		expect(explain(new Request("https://x.example/"), false)).toBeUndefined();
	});

	it("is refused to roles that may not have it", () => {
		expect(() => explain(asking, false)).toThrow(
			expect.objectContaining({ code: "denied" }),
		);
	});

	it("contains the plan and the view", () => {
		expect(JSON.parse(told(cacheable({})) ?? "")).toEqual({
			key: '["GET","https://x.example/notes","anon"]',
			tags: ["api.notes", "catalog"],
			callerKey: { role: "anon", claims: {}, headers: {} },
			maxStalenessSeconds: 5,
			view: { feedEpoch: "epoch1", seq: 9, prunedBelow: 2 },
		});
	});

	it("contains the reason if the read was not planned", () => {
		const planned: PlannedRead = {
			plan: { kind: "bypass", reason: "the path is none" },
			isForOperators: true,
		};
		expect(told(planned)).toBe('{"reason":"the path is none"}');
	});

	it("is absent if nothing was planned", () => {
		expect(told()).toBeNull();
	});

	it.each([
		"städte",
		"京",
		"\ud83d\ude00",
		"a\r\nSet-Cookie: b",
		"\u007f\0",
		'"\\',
	])("is one line of ASCII for any key: %o", (key) => {
		const text = told(cacheable({ key })) ?? "";
		expect([/^[\x20-\x7e]*$/.test(text), JSON.parse(text).key]).toEqual([
			true,
			key,
		]);
	});
});
