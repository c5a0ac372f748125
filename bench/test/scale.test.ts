// The simulation behind docs/scale.md: what has to hold for every deployment, cases whose result can be computed by hand, and the page.
/// <reference types="vite/client" />
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import page from "../../docs/scale.md?raw";
import { costs, RATES, type Simulated } from "../scale/costs.ts";
import { type Deployment, simulate } from "../scale/simulation.ts";
import {
	billed,
	costRow,
	DEPLOYMENTS,
	line,
	outcomeRow,
	SMALL,
	WRITTEN,
	writtenRow,
} from "../scale/tables.ts";

/** One isolate next to the object, which is read all the time. */
const ONE: Deployment = {
	dataCentres: 1,
	isolatesPerDataCentre: 1,
	readsPerSecond: 1_000,
	maxStalenessMs: 10_000,
	hasRelays: false,
	seconds: 200,
	seed: 1,
};

const deployments = fc.record({
	dataCentres: fc.integer({ min: 1, max: 12 }),
	isolatesPerDataCentre: fc.integer({ min: 1, max: 5 }),
	readsPerSecond: fc.constantFrom(1, 30, 1_000),
	maxStalenessMs: fc.integer({ min: 200, max: 20_000 }),
	hasRelays: fc.boolean(),
	seconds: fc.integer({ min: 1, max: 12 }),
	seed: fc.nat(),
});

const holds = (
	property: (deployment: Deployment) => Promise<void>,
	numRuns = 20,
) => fc.assert(fc.asyncProperty(deployments, property), { numRuns });

describe("every deployment", () => {
	it("comes out the same again", () =>
		holds(async (deployment) => {
			expect(await simulate(deployment)).toEqual(await simulate(deployment));
		}, 5));

	it("answers no read by a view that is older than the maximum staleness", () =>
		holds(async (deployment) => {
			const { oldestViewMs, viewAgeMs } = await simulate(deployment);
			if (Number.isNaN(viewAgeMs)) return;
			expect(oldestViewMs).toBeLessThanOrEqual(deployment.maxStalenessMs);
			expect(viewAgeMs).toBeLessThanOrEqual(deployment.maxStalenessMs);
			expect(viewAgeMs).toBeGreaterThan(0);
		}));

	it("polls for a call or for the object's tick, and for nothing else", () =>
		holds(async (deployment) => {
			const { calls, polls } = await simulate(deployment);
			const { seconds } = deployment;
			// At both ends of the time one may be counted without its cause.
			expect(polls * seconds).toBeLessThanOrEqual(
				(calls + 1) * seconds + 2 * deployment.isolatesPerDataCentre + 2,
			);
		}));

	it("asks the object through relays, if it has any, and never more often than the relays are asked", () =>
		holds(async (deployment) => {
			const outcome = await simulate(deployment);
			const { dataCentres, hasRelays, seconds } = deployment;
			// In doubles 5 * (1 / 3) is less than 5 / 3.
			const countOf = (rate: number) => Math.round(rate * seconds);
			const calls = countOf(outcome.calls);
			const relayCalls = countOf(outcome.relayCalls);
			const mostRelayCalls = countOf(outcome.mostRelayCalls);
			expect(mostRelayCalls).toBeLessThanOrEqual(relayCalls);
			expect(relayCalls).toBeLessThanOrEqual(dataCentres * mostRelayCalls);
			expect(outcome.peakCalls * seconds).toBeGreaterThanOrEqual(calls);
			expect(outcome.peakCalls).toBeLessThanOrEqual(calls);
			if (!hasRelays) expect(relayCalls).toBe(0);
			// Of each relay one call may have begun before the time.
			else expect(calls).toBeLessThanOrEqual(relayCalls + dataCentres);
		}));

	it("lets a share of the reads wait", () =>
		holds(async (deployment) => {
			const { waiting } = await simulate(deployment);
			if (Number.isNaN(waiting)) return;
			expect(waiting).toBeGreaterThanOrEqual(0);
			expect(waiting).toBeLessThanOrEqual(1);
		}));
});

describe("what can be computed by hand", () => {
	it("is a call at half the maximum staleness, less the age of the poll that the object has by itself", async () => {
		const { calls, polls, waiting, viewAgeMs } = await simulate(ONE);
		// The object polls each second, so that its last poll is half a second old on average.
		expect(calls).toBeCloseTo(1 / (5 - 0.5), 1);
		expect(polls).toBeCloseTo(1, 1);
		expect(waiting).toBe(0);
		expect(viewAgeMs / 1_000).toBeCloseTo((0.5 + 5) / 2, 0);
	});

	it("is one call for each read where reads are rarer than the maximum staleness, and each of them waits", async () => {
		const rare = { readsPerSecond: 1 / 100, maxStalenessMs: 1_000 };
		const deployment = { ...ONE, ...rare, seconds: 20_000 };
		const { calls, waiting } = await simulate(deployment);
		expect(calls * 100).toBeCloseTo(1, 0);
		expect(waiting).toBeGreaterThan(0.97);
	});

	it("is that all reads wait where the object is farther away than the maximum staleness", async () => {
		const { waiting, viewAgeMs } = await simulate({
			...{ ...ONE, maxStalenessMs: 10, seconds: 20 },
		});
		expect(waiting).toBe(1);
		expect(viewAgeMs).toBeNaN();
	});

	it("is as many calls for each isolate, however many there are", async () => {
		const of = async (isolatesPerDataCentre: number) => {
			const many = { ...ONE, isolatesPerDataCentre, seconds: 60 };
			return (await simulate(many)).calls / isolatesPerDataCentre;
		};
		const alone = await of(1);
		for (const isolates of [2, 8, 32])
			expect(Math.abs((await of(isolates)) / alone - 1)).toBeLessThan(0.15);
	});

	it("is that relays hide how many isolates there are", async () => {
		const of = async (isolatesPerDataCentre: number, hasRelays: boolean) => {
			const sizes = { dataCentres: 6, isolatesPerDataCentre, hasRelays };
			const { calls } = await simulate({ ...ONE, ...sizes, seconds: 60 });
			return calls;
		};
		const [few, many] = [await of(2, true), await of(32, true)];
		expect(many).toBeLessThan(2 * few);
		expect(many).toBeLessThan(0.2 * (await of(32, false)));
	});

	it("is more calls the younger views have to be", async () => {
		let before = Number.POSITIVE_INFINITY;
		for (const maxStalenessMs of [1_000, 2_000, 5_000, 20_000, 60_000]) {
			const { calls } = await simulate({ ...ONE, maxStalenessMs });
			expect(calls).toBeLessThan(before);
			before = calls;
		}
	});
});

describe("costs", () => {
	const simulated = fc.record({
		name: fc.constant("simulated"),
		readsPerSecond: fc.double({ min: 1, max: 1e6, noNaN: true }),
		callsPerSecond: fc.double({ min: 0, max: 1e5, noNaN: true }),
		objects: fc.integer({ min: 1, max: 400 }),
	});
	const sum = ({ workers, objects, kv }: ReturnType<typeof costs>[number]) =>
		workers + objects + kv;
	const scaled = (by: number) =>
		Object.fromEntries(
			Object.entries(RATES).map(([name, rate]) => [name, by * rate]),
		) as unknown as typeof RATES;

	it("double with the prices, and end with them", () => {
		fc.assert(
			fc.property(simulated, (one) => {
				const now = costs(RATES, [one]).map(sum);
				const doubled = costs(scaled(2), [one]).map(sum);
				for (const [index, cost] of now.entries())
					expect(doubled[index]).toBeCloseTo(2 * cost, 9);
				for (const cost of costs(scaled(0), [one])) expect(sum(cost)).toBe(0);
			}),
		);
	});

	it("are, for objects, those of their calls and their time, shared out among the reads", () => {
		fc.assert(
			fc.property(simulated, (one) => {
				const [postern] = costs(RATES, [one]);
				const { readsPerSecond, callsPerSecond, objects } = one;
				const seconds = 1e6 / readsPerSecond;
				const ofCalls = (0.15 * callsPerSecond * seconds) / 1e6;
				const ofTime = (12.5 * objects * 0.128 * seconds) / 1e6;
				expect(postern?.objects).toBeCloseTo(ofCalls + ofTime, 9);
			}),
		);
	});

	it("bring to the origin what is no hit", () => {
		const one: Simulated = {
			...{ name: "one", readsPerSecond: 1, callsPerSecond: 1, objects: 1 },
		};
		for (const { hits, atOrigin } of costs(RATES, [one])) {
			expect(hits).toBeGreaterThanOrEqual(0);
			expect(hits).toBeLessThan(1);
			expect(atOrigin).toBeCloseTo(1e6 * (1 - hits), 6);
		}
	});
});

describe("docs/scale.md", () => {
	const lines = page.split("\n").map((text) => text.replace(/ +/g, " "));

	/** Those that are simulated soon. `npm run bench:scale` prints all. */
	const quick = DEPLOYMENTS.filter(
		({ isolatesPerDataCentre, maxStalenessMs }) =>
			isolatesPerDataCentre === 1 && maxStalenessMs === 5_000,
	);

	it.each(quick)("has what a simulation gives: %o", async (deployment) => {
		const row = outcomeRow(deployment, await simulate(deployment));
		expect(lines).toContain(line(row).replace(/ +/g, " "));
	});

	it("has a row for each deployment", () => {
		for (const deployment of DEPLOYMENTS) {
			const [bound, isolates, relays] = outcomeRow(deployment, NOTHING);
			const begin = `| ${bound} | ${isolates} | ${relays} |`;
			expect(lines.filter((text) => text.startsWith(begin))).toHaveLength(1);
		}
	});

	it.each(WRITTEN.filter(({ writesPerSecond }) => writesPerSecond === 100))(
		"has what a simulation with writes gives: %o",
		async (deployment) => {
			const row = writtenRow(deployment, await simulate(deployment));
			expect(lines).toContain(line(row).replace(/ +/g, " "));
		},
	);

	it("has the costs", async () => {
		const all = costs(RATES, [billed(SMALL, await simulate(SMALL))]);
		for (const cost of all) expect(lines).toContain(line(costRow(cost)));
	});
});

const NOTHING = {
	...{ calls: 0, peakCalls: 0, relayCalls: 0, mostRelayCalls: 0, polls: 0 },
	...{ waiting: 0, viewAgeMs: 0, oldestViewMs: 0 },
};
