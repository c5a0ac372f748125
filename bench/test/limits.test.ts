import { describe, expect, it } from "vitest";
import { sentencesOf, tooDear, twiceTooDear } from "../cost/limits.ts";

const row = (ratio: number, name = "hit") => ({ name, base: "a proxy", ratio });

describe("tooDear", () => {
	it("lets a row through up to one and a half times its record", () => {
		expect(tooDear([row(1.5)], [row(1)])).toEqual([]);
		expect(tooDear([row(1.51)], [row(1)])).toEqual([row(1.51)]);
	});

	it("lets a row through up to one and a half times its aim, whatever its record", () => {
		const record = { ...row(1), aim: 2 };
		expect(tooDear([row(3)], [record])).toEqual([]);
		expect(tooDear([row(3.01)], [record])).toEqual([row(3.01)]);
	});

	it("compares with the record of the same name and base", () => {
		const records = [{ ...row(9), base: "an empty route" }, row(1)];
		expect(tooDear([row(2)], records)).toEqual([row(2)]);
	});

	it("finds a row without a record, and one that is no number", () => {
		expect(tooDear([row(0.1, "new")], [row(1)])).toHaveLength(1);
		expect(tooDear([row(Number.NaN)], [row(1)])).toHaveLength(1);
	});
});

describe("sentencesOf", () => {
	it("names the row, its ratio and the record", () => {
		expect(sentencesOf([row(2)], [row(1)])).toEqual([
			'"hit / a proxy" is 2.00, more than 1.5 times 1.00, its record or its aim.',
		]);
	});

	it("says that a row has no record", () => {
		expect(sentencesOf([row(2)], [])).toEqual([
			'"hit / a proxy" is not recorded: run npm run bench.',
		]);
	});
});

describe("twiceTooDear", () => {
	const records = [row(1), row(1, "miss")];

	it("measures a row that is too dear once more, and names it if it still is", async () => {
		const again = async (suspects: ReadonlySet<string>) => {
			expect([...suspects]).toEqual(["hit / a proxy"]);
			return [row(1.6), row(9, "miss")];
		};
		const measured = [row(2), row(1, "miss")];
		expect(await twiceTooDear(measured, records, again)).toEqual(
			sentencesOf([row(1.6)], records),
		);
	});

	it("lets a row go that was too dear once", async () => {
		const again = async () => [row(1.4)];
		expect(await twiceTooDear([row(2)], records, again)).toEqual([]);
	});

	it("measures nothing again where nothing is too dear", async () => {
		const again = () => Promise.reject(new Error("measured again"));
		expect(await twiceTooDear([row(1)], records, again)).toEqual([]);
	});
});
