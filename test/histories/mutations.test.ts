// Each way to break the Worker's promises is found out by the checker, in a schedule that brings it to light: so the checker
// can fail. scenarios.test.ts plays the same schedules without a mutation.
import { describe, it } from "vitest";
import { changed } from "./change.ts";
import { bundleMutated } from "./mutated-bundle.ts";
import { WORKER_MUTATIONS } from "./mutations.ts";
import { findIn, useDatabase } from "./staged.ts";

const database = useDatabase();

describe("the checker finds out that", () => {
	it.for(WORKER_MUTATIONS)(
		"$name",
		{ timeout: 90_000 },
		async (mutation, { expect }) => {
			const bundle = await bundleMutated(mutation.file, mutation);
			const found = await findIn(database(), bundle, mutation);
			expect(found).toContain(mutation.found);
		},
	);
});

describe("a mutation", () => {
	const mutation = { from: "a + b", to: "a - b" };

	it("takes text with other blanks for the same", ({ expect }) => {
		expect(changed("(a\n\t+ b)", mutation)).toBe("(a - b)");
	});

	it("is an error where its text is not there, or not once", ({ expect }) => {
		expect(() => changed("a * b", mutation)).toThrow("0 times");
		expect(() => changed("a + b; a + b", mutation)).toThrow("2 times");
	});

	it("is an error in a file that the Worker does not have", async ({
		expect,
	}) => {
		await expect(bundleMutated("none.ts", mutation)).rejects.toThrow("none.ts");
	});
});
