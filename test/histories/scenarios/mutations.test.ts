// The checker finds each mutation that breaks a promise, in a schedule that shows it. This proves that the checker
// can fail. scenarios.test.ts plays the same schedules without a mutation.
import { describe, type ExpectStatic, it } from "vitest";
import { changed } from "./change.ts";
import { bundleMutated } from "./mutated-bundle.ts";
import { WORKER_MUTATIONS } from "./mutations.ts";
import { changesSchema, findIn, useDatabase } from "./staged.ts";

const database = useDatabase();

describe("the checker finds that", () => {
	it.concurrent.for(
		WORKER_MUTATIONS.filter(({ scenario }) => !changesSchema(scenario)),
	)("$name", { timeout: 240_000 }, shows);

	it.for(WORKER_MUTATIONS.filter(({ scenario }) => changesSchema(scenario)))(
		"$name",
		{ timeout: 240_000 },
		shows,
	);

	async function shows(
		mutation: (typeof WORKER_MUTATIONS)[number],
		{ expect }: { expect: ExpectStatic },
	) {
		const bundle = await bundleMutated([mutation]);
		const found = await findIn(database(), bundle, mutation);
		expect(found).toContain(mutation.found);
	}
});

describe("a mutation", () => {
	const mutation = { from: "a + b", to: "a - b" };

	it("matches text with other whitespace", ({ expect }) => {
		expect(changed("(a\n\t+ b)", mutation)).toBe("(a - b)");
	});

	it("is an error if its text does not occur exactly once", ({ expect }) => {
		expect(() => changed("a * b", mutation)).toThrow("0 times");
		expect(() => changed("a + b; a + b", mutation)).toThrow("2 times");
	});

	it("is an error in a file that the Worker does not have", async ({
		expect,
	}) => {
		await expect(
			bundleMutated([{ file: "none.ts", ...mutation }]),
		).rejects.toThrow("none.ts");
	});
});
