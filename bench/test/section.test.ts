import { expect, it } from "vitest";
import { sectionOf, verdict, withSection } from "../report/section.ts";

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

it("leaves out what was not measured", () => {
	const figures = { measuredOn: "2026-11-30", machine: "2 cores" };
	expect(sectionOf(figures)).not.toContain("|");
});
