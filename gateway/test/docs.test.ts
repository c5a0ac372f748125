// The tables of docs/settings.md and docs/errors.md, compared with what they describe.
/// <reference types="vite/client" />
import { describe, expect, it } from "vitest";
import errors from "../../docs/errors.md?raw";
import operations from "../../docs/operations.md?raw";
import settings from "../../docs/settings.md?raw";
import { REFUSAL_CODES, Refusal } from "../src/http/refusals.ts";
import { environment } from "../src/settings/settings.ts";

/** Cells of the rows below a heading whose first cell is one word in backticks. */
function rowsBelow(heading: string, page: string): string[][] {
	const section = page.split(`\n## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";
	return section
		.split("\n")
		.filter((line) => line.startsWith("| `"))
		.map((line) =>
			line
				.split("|")
				.map((cell) => cell.trim().replace(/^`|`$/g, ""))
				.slice(1, -1),
		);
}

describe("docs/settings.md", () => {
	const documented = rowsBelow("The Worker", settings);

	it("lists every variable of the Worker, and no other", () => {
		const names = documented.map(([name]) => name).sort();
		expect(names).toEqual(Object.keys(environment.shape).sort());
	});

	it.each(documented)("has the default of %s", (name, _, described = "") => {
		const schema = environment.shape[name as keyof typeof environment.shape];
		const withoutValue = schema.safeParse(undefined);
		if (described === "required") {
			expect(withoutValue.success).toBe(false);
		} else if (["none", "near the first caller"].includes(described)) {
			expect([undefined, [], new Map()]).toContainEqual(withoutValue.data);
		} else {
			expect(withoutValue.data).toEqual(schema.parse(described));
		}
	});
});

it("docs/errors.md lists every refusal with its status, and no other", () => {
	const documented = rowsBelow("Refusals by Postern", errors).map(
		([code, status]) => [code, Number(status)],
	);
	const refusals = REFUSAL_CODES.map((code) => [
		code,
		new Refusal(code).status,
	]);
	expect(documented.sort()).toEqual(refusals.sort());
});

it("docs/operations.md says of every refusal what to do, once, and of no other", () => {
	const [, section = ""] = operations.split("\n## Refusals, and what to do\n");
	const [table = ""] = section.split("\n## ");
	const named = table
		.split("\n")
		.filter((line) => line.startsWith("| `"))
		.flatMap((line) => line.split("|")[1]?.match(/(?<=`)\w+(?=`)/g) ?? []);
	expect(named.sort()).toEqual(REFUSAL_CODES.toSorted());
});
