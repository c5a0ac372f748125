import { expect, it } from "vitest";
import { latenciesOf } from "../contenders/open-loop.ts";

it("gives the mean and the percentiles of latencies in any order", () => {
	const samples = Array.from({ length: 1_000 }, (_, index) => 1_000 - index);
	expect(latenciesOf(samples)).toEqual({
		...{ mean: 500.5, p50: 500, p99: 990, p999: 999 },
	});
});
