import { expect, it } from "vitest";
import { latencySection } from "../report/contenders.ts";
import { growthSection } from "../report/growth.ts";
import { sectionOf, verdict, withSection } from "../report/section.ts";
import { startSection } from "../report/starts.ts";

const BEGIN = "<!-- npm run bench writes from here -->";
const END = "<!-- to here -->";

it("replaces what stands between the marks, and nothing else", () => {
	const page = `before\n${BEGIN}\nold\n${END}\nafter`;
	expect(withSection(page, "new")).toBe(
		`before\n${BEGIN}\n\nnew\n\n${END}\nafter`,
	);
});

it("refuses a page without the marks, or with them the wrong way round", () => {
	expect(() => withSection("before", "new")).toThrow(BEGIN);
	expect(() => withSection(`${END}${BEGIN}`, "new")).toThrow(BEGIN);
});

it("writes a ratio that misses its aim in bold", () => {
	expect(verdict({ ratio: 1.2, aim: 1.1 })).toBe("**1.20**");
	expect(verdict({ ratio: 1.1, aim: 1.1 })).toBe("1.10");
	expect(verdict({ ratio: 3 })).toBe("3.00");
	expect(verdict({ ratio: 0.8, atLeast: 0.9, aim: 1.1 })).toBe("**0.80**");
});

it("says what a contender's latency is to PostgREST's at the same rate", () => {
	const at = (perSecond: number, name: string, p50: number) => ({
		...{ perSecond, name, p50, mean: p50, p99: 9, p999: 10 },
	});
	const section = latencySection([
		...[at(100, "PostgREST itself", 2), at(100, "a proxy", 3)],
		...[at(200, "PostgREST itself", 4), at(200, "a proxy", 5)],
	]);
	expect(section).toContain(
		"| a proxy | 1.50 | 1.25 | 3.0, 9.0, 10.0 | 5.0, 9.0, 10.0 |",
	);
});

it("writes a start in bold whose milliseconds miss the aim", () => {
	const start = {
		...{ base: "an empty Worker's", ratio: 2, middle: [1.9, 2.1] as const },
		...{ milliseconds: 130, baseMilliseconds: 61 },
	};
	const section = startSection([
		{ ...start, name: "start", judgedMs: 69, aimMs: 30 },
		{ ...start, name: "read", judgedMs: 9, aimMs: 10 },
		{ ...start, name: "read of all", judgedMs: 130 },
	]);
	const cells = "an empty Worker's | 2.00 | 1.90 to 2.10 | 130, 61";
	expect(section).toContain(`| start | ${cells} | **69** | 30 |`);
	expect(section).toContain(`| read | ${cells} | 9 | 10 |`);
	expect(section).toContain(`| read of all | ${cells} |  |  |`);
});

it("says how many times as much the most costs as the least", () => {
	const section = growthSection([
		{
			...{ name: "a poll", of: "tags", unit: "ms" },
			points: [
				[10, 2],
				[1_000, 25],
			],
		},
	]);
	expect(section).toContain(
		"| tags | a poll | 13 for 100 | 10: 2, 1,000: 25 ms |",
	);
});

it("leaves out what was not measured", () => {
	const figures = { measuredOn: "2026-11-30", machine: "2 cores" };
	expect(sectionOf(figures)).not.toContain("|");
});
