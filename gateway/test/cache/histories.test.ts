// The promises of docs/consistency.md in a small model: the real cache, view and client wrapper, against random histories of
// writes, reads, late answers, lagging stores, restarts and losses.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Freshness } from "../../src/consistency/freshness.ts";
import type { View } from "../../src/consistency/view.ts";
import type { Feed } from "../../src/feed/feed.ts";
import { type Deed, live, type WorldOptions } from "../support/world.ts";

const ISOLATES = 3;
const CLIENTS = 3;
const TAGS = ["api.a", "api.b"];

const client = fc.nat(CLIENTS - 1);
const isolate = fc.nat(ISOLATES - 1);
const tag = fc.constantFrom(...TAGS);
// In bursts, and now and then after a while.
const afterMs = fc.oneof(
	{ weight: 6, arbitrary: fc.nat(60) },
	{ weight: 2, arbitrary: fc.nat(500) },
	{ weight: 1, arbitrary: fc.nat(4_000) },
);
const directives = fc.oneof(
	{ weight: 8, arbitrary: fc.constant("") },
	{
		weight: 1,
		arbitrary: fc.constantFrom(
			"no-cache",
			"max-age=0",
			"no-store",
			"min-fresh=1",
		),
	},
);

const deed: fc.Arbitrary<Deed> = fc.oneof(
	{
		weight: 20,
		arbitrary: fc.record({
			kind: fc.constant("read" as const),
			afterMs,
			client,
			isolate,
			tags: fc.oneof(
				{ weight: 4, arbitrary: fc.constant(["api.a"]) },
				{ weight: 1, arbitrary: fc.constantFrom(["api.b"], TAGS) },
			),
			directives,
		}),
	},
	{
		weight: 3,
		arbitrary: fc.record({
			kind: fc.constant("write" as const),
			afterMs,
			client,
			isolate,
			tag,
		}),
	},
	{
		weight: 3,
		arbitrary: fc.record({
			kind: fc.constant("commit" as const),
			afterMs,
			tag,
		}),
	},
	{
		weight: 1,
		arbitrary: fc.oneof(
			fc.record({
				kind: fc.constant("restart isolate" as const),
				afterMs,
				isolate,
			}),
			fc.record({ kind: fc.constant("restart relay" as const), afterMs }),
			fc.record({ kind: fc.constant("restart feed" as const), afterMs }),
			fc.record({ kind: fc.constant("lose feed" as const), afterMs }),
		),
	},
);

const seed = fc.nat(0xffff_ffff);

const history = fc.record({
	seed,
	deeds: fc.array(deed, { minLength: 20, maxLength: 120, size: "max" }),
});

type Mutant = NonNullable<WorldOptions["mutant"]>;

/** Isolates ask a relay in every other world, and in those of a mutated relay. */
function world(seed: number, mutant: Mutant = {}): WorldOptions {
	return {
		seed,
		hasRelay: seed % 2 === 1 || mutant.relay !== undefined,
		isolates: ISOLATES,
		clients: CLIENTS,
		maxStalenessMs: 1_000,
		mutant,
	};
}

describe("a random history", () => {
	it("keeps the promises", { timeout: 120_000 }, async () => {
		let reads = 0;
		let hits = 0;
		await fc.assert(
			fc.asyncProperty(history, async ({ seed, deeds }) => {
				const objectRun = await live(deeds, world(seed));
				reads += objectRun.reads;
				hits += objectRun.hits;
				expect(objectRun.violations).toEqual([]);
			}),
			{ numRuns: 30 },
		);
		// A model in which nothing is ever answered from the cache would keep them, too.
		expect(hits / reads).toBeGreaterThan(0.15);
	});
});

describe("a random history with outages", () => {
	const outage = fc.record({
		kind: fc.constant("outage" as const),
		afterMs,
		isDown: fc.boolean(),
	});
	const withOutages = fc.record({
		seed,
		deeds: fc.array(
			fc.oneof(
				{ weight: 12, arbitrary: deed },
				{ weight: 1, arbitrary: outage },
			),
			{ minLength: 40, maxLength: 160, size: "max" },
		),
	});

	it("keeps the promises, and gives old answers marked, with their true age", {
		timeout: 120_000,
	}, async () => {
		let marked = 0;
		await fc.assert(
			fc.asyncProperty(withOutages, async ({ seed, deeds }) => {
				const options = { ...world(seed), outageStalenessMs: 60_000 };
				const lived = await live(deeds, options);
				marked += lived.marked;
				expect(lived.violations).toEqual([]);
			}),
			{ numRuns: 30 },
		);
		// Chance gives 25 to 110.
		expect(marked).toBeGreaterThan(5);
	});
});

/** A mutation whose freshness differs from the real one. */
function telling(change: (real: Freshness) => Partial<Freshness>): Mutant {
	return {
		freshness: (real) => ({
			...real,
			get reason() {
				return real.reason;
			},
			...change(real),
		}),
	};
}

/** A mutation whose views differ from the real ones. */
function seeing(change: (view: View) => Partial<View>): Mutant {
	return telling((real) => {
		const originals = new WeakMap<View, View>();
		return {
			async view(needs) {
				const view = await real.view(needs);
				if (view === undefined) return undefined;
				const changed = {
					...view,
					prunedBelow: view.prunedBelow,
					...change(view),
				};
				originals.set(changed, view);
				return changed;
			},
			catalog: (view) => real.catalog(originals.get(view) ?? view),
		};
	});
}

/** `token()` is the token of the last view, or one that no view covers. */
function withViewsToken(
	change: (consistencyToken: () => string) => Partial<Freshness>,
): Mutant {
	return telling((real) => {
		let last = "0";
		return {
			async view(needs) {
				const view = await real.view(needs);
				last = view?.consistencyToken ?? last;
				return view;
			},
			...change(() => last),
		};
	});
}

/** A relay whose answers pass for just polled, and are given for longer than they may be. */
const ageless = (relay: Feed): Feed => ({
	...relay,
	async sync(request) {
		const maxAgeMs = request.maxAgeMs > 0 ? 60_000 : 0;
		const answer = await relay.sync({ ...request, maxAgeMs });
		return answer.state === "following"
			? { ...answer, now: answer.asOf }
			: answer;
	},
});

/** A relay that answers a request with tokens as one without. */
const tokenless = (relay: Feed): Feed => ({
	...relay,
	sync: (request) => relay.sync({ ...request, consistencyTokens: [] }),
});

/** A client that carries the tokens of the last answer only. */
const forgetful: Mutant = {
	client(fetch) {
		let last: string | null = null;
		return async (input, init) => {
			const request = new Request(input, init);
			if (last !== null) request.headers.set("Postern-Token", last);
			const answer = await fetch(request);
			last = answer.headers.get("Postern-Token") ?? last;
			return answer;
		};
	},
};

const read = (afterMs: number, client: number, isolate: number): Deed => ({
	kind: "read",
	...{ afterMs, client, isolate, tags: ["api.a"], directives: "" },
});
const write = (afterMs: number, client: number, isolate: number): Deed => ({
	kind: "write",
	...{ afterMs, client, isolate, tag: "api.a" },
});
const commit: Deed = { kind: "commit", afterMs: 0, tag: "api.a" };

/** Every isolate has the answer and a young view. */
const WARM = [
	...[read(4_000, 0, 0), read(0, 0, 1), read(0, 0, 2)],
	...[read(1_000, 0, 0), read(0, 0, 1), read(0, 0, 2)],
];

/** A write, and a read that overlaps it in an isolate that does not know of it; either answer may come last. */
const CROSSING = [200, 300, 400].flatMap((afterMs) => [
	...WARM,
	write(150, 1, 0),
	read(afterMs, 1, 1),
	read(150, 1, 2),
]);

/** A client sees a change through an isolate that has not heard of it, and then asks another that has not, either. */
const AHEAD = [150, 250, 350].flatMap((afterMs) => [
	...WARM,
	{ ...commit, afterMs: 150 },
	{ ...read(0, 2, 0), directives: "no-cache" },
	read(afterMs, 1, 0),
	read(150, 1, 1),
]);

/** A write of which the relay does not hear, which has been asked meanwhile, and a read by its writer that the relay has to answer. */
const PAST_THE_RELAY = [250, 350, 450].flatMap((afterMs) => [
	...WARM,
	write(100, 1, 2),
	read(250, 0, 0),
	read(afterMs, 1, 1),
]);

/** A new feed epoch begins while an isolate has an entry of the old one. */
const RESTARTED: Deed[] = [
	...[0, 0, 0].flatMap(() => [commit, read(4_000, 0, 1)]),
	commit,
	read(4_000, 0, 0),
	{ kind: "lose feed", afterMs: 100 },
	read(2_000, 0, 1),
];

describe("a history finds", () => {
	const MUTANTS: [name: string, mutant: Mutant, deeds?: readonly Deed[]][] = [
		["views that miss changes", seeing(() => ({ lastChange: () => 0 }))],
		[
			"entries of a feed epoch that has ended",
			seeing(() => ({ feedEpoch: "always" })),
			RESTARTED,
		],
		["stamps ahead of the view", seeing(({ seq }) => ({ seq: seq + 1 }))],
		[
			"views that are older than accepted",
			telling((real) => ({
				view: ({ consistencyTokens }) =>
					real.view({ consistencyTokens, maxAgeMs: 60_000 }),
			})),
		],
		[
			"views that do not cover the tokens",
			telling((real) => ({
				view: ({ maxAgeMs }) => real.view({ consistencyTokens: [], maxAgeMs }),
			})),
		],
		[
			"answers whose token is a view's, though they may show more",
			withViewsToken((token) => ({ consistencyTokenNow: () => token() })),
		],
		[
			"stored answers that pass for covered by any view",
			seeing(() => ({ covers: () => true })),
			AHEAD,
		],
		[
			"writes that are not followed by a poll",
			withViewsToken((token) => ({ afterWrite: async () => token() })),
		],
		[
			"writes whose tokens pass for covered by any view",
			telling((real) => ({
				view: (needs) =>
					real.view({
						...needs,
						consistencyTokens: needs.consistencyTokens.filter(
							(token) => token.split(".").length === 3,
						),
					}),
			})),
		],
		["relays that do not say how old their answer is", { relay: ageless }],
		["relays that do not pass tokens on", { relay: tokenless }, PAST_THE_RELAY],
		["clients that carry nothing", { client: (fetch) => fetch }],
		["clients that carry the last answer's token alone", forgetful, CROSSING],
	];

	it.each(MUTANTS)("%s", { timeout: 120_000 }, async (_, mutant, deeds) => {
		const histories =
			deeds === undefined
				? history
				: fc.record({ seed, deeds: fc.constant(deeds) });
		const { failed } = await fc.check(
			fc.asyncProperty(histories, async ({ seed, deeds }) => {
				const { violations } = await live(deeds, world(seed, mutant));
				return violations.length === 0;
			}),
			{ numRuns: 100, endOnFailure: true, seed: 1 },
		);
		expect(failed).toBe(true);
	});

	it.each([
		["what an isolate was ahead of", AHEAD],
		["answers that cross", CROSSING],
		["writes that the relay does not hear of", PAST_THE_RELAY],
		["numbers that start again", RESTARTED],
	])(
		"no fault in the real parts, with %s",
		{ timeout: 120_000 },
		async (_, deeds) => {
			await fc.assert(
				fc.asyncProperty(seed, async (seed) => {
					expect((await live(deeds, world(seed))).violations).toEqual([]);
				}),
				{ numRuns: 20 },
			);
		},
	);
});
