// The faults that are injected while a history is played. Each fault ends by itself.
import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import type { Random } from "../random.ts";
import type { Cluster, Instance } from "./cluster.ts";
import type { Fault, Link, Passing, Verdict } from "./link.ts";

export interface FaultKind {
	readonly name: string;
	readonly weight: number;
	/** Resolves when the fault is over. */
	strike(
		victims: Victims,
		random: Random,
		maxStalenessMs: number,
	): Promise<unknown>;
}

/** The parts that a fault can affect. */
export interface Victims extends Cluster {
	/** A connection to the database as its owner. */
	readonly client: pg.Client;
}

/** How long a fault waits for a request that it can affect. */
const PATIENCE_MS = 2_000;

export const FAULTS: readonly FaultKind[] = [
	{
		name: "isolate restarted",
		weight: 3,
		strike: ({ instances }, random) => random.pick(instances).restart(),
	},
	{
		name: "isolate killed between commit and feed",
		weight: 4,
		strike: ({ instances }, random) =>
			killAfterCommit(random.pick(instances), PATIENCE_MS),
	},
	{
		name: "object restarted",
		weight: 4,
		strike: ({ feed }) => feed.restart(),
	},
	{
		name: "object lost with its storage",
		weight: 0.7,
		strike: ({ feed }) => feed.lose(),
	},
	{
		name: "origin paused",
		weight: 3,
		strike: ({ instances }, random, maxStalenessMs) =>
			hold(
				random.pick(instances).originLink,
				random,
				maxStalenessMs,
				"onRequest",
			),
	},
	{
		name: "answers of the origin held back",
		weight: 5,
		strike: ({ instances }, random, maxStalenessMs) =>
			hold(
				random.pick(instances).originLink,
				random,
				maxStalenessMs,
				"onAnswer",
			),
	},
	{
		name: "answers of the origin late, some",
		weight: 5,
		async strike({ instances }, random, maxStalenessMs) {
			const { originLink } = random.pick(instances);
			const end = originLink.inject({
				async onAnswer(): Promise<Verdict> {
					if (random.chance(0.3))
						await sleep(random.between(50, maxStalenessMs));
					return "pass";
				},
			});
			await sleep(maxStalenessMs);
			end();
		},
	},
	{
		name: "requests to the origin cut",
		weight: 2,
		strike: ({ instances }, random) =>
			cut(random.pick(instances).originLink, random, "onRequest"),
	},
	{
		name: "answers of the origin cut",
		weight: 3,
		strike: ({ instances }, random) =>
			cut(random.pick(instances).originLink, random, "onAnswer"),
	},
	{
		name: "polls dropped",
		weight: 3,
		strike: ({ feed }, random) => cut(feed.pollLink, random, "onRequest"),
	},
	{
		name: "answers to polls lost",
		weight: 3,
		strike: ({ feed }, random) => cut(feed.pollLink, random, "onAnswer"),
	},
	{
		name: "polls paused",
		weight: 2,
		strike: ({ feed }, random, maxStalenessMs) =>
			hold(feed.pollLink, random, maxStalenessMs, "onRequest"),
	},
	{
		name: "answers to polls held back",
		weight: 2,
		strike: ({ feed }, random, maxStalenessMs) =>
			hold(feed.pollLink, random, maxStalenessMs, "onAnswer"),
	},
	{
		name: "feed out of an isolate's reach",
		weight: 3,
		strike: ({ instances }, random, maxStalenessMs) =>
			hold(
				random.pick(instances).feedLink,
				random,
				maxStalenessMs,
				"onRequest",
			),
	},
	{
		name: "answers of the feed held back",
		weight: 3,
		strike: ({ instances }, random, maxStalenessMs) =>
			hold(random.pick(instances).feedLink, random, maxStalenessMs, "onAnswer"),
	},
	{
		name: "calls of the feed cut",
		weight: 2,
		strike: ({ instances }, random) =>
			cut(random.pick(instances).feedLink, random, "onRequest"),
	},
	{
		name: "answers of the feed lost",
		weight: 2,
		strike: ({ instances }, random) =>
			cut(random.pick(instances).feedLink, random, "onAnswer"),
	},
	{
		// A cursor that missed a poll or two is too old after that.
		name: "changes pruned early",
		weight: 0.3,
		strike: ({ client }) =>
			client.query("select postern.prune('0'), postern.prune('0')"),
	},
	{
		name: "kv down",
		weight: 2,
		async strike({ kv }, random, maxStalenessMs) {
			kv.isDown = true;
			await sleep(random.between(100, maxStalenessMs));
			kv.isDown = false;
		},
	},
];

export function isWrite({ method }: Passing): boolean {
	return method === "POST" || method === "PATCH" || method === "DELETE";
}

/** Kills an isolate after the origin has done a write for it and before the answer arrives. */
export async function killAfterCommit(
	instance: Instance,
	patienceMs: number,
): Promise<void> {
	const committed = Promise.withResolvers<void>();
	const killed = Promise.withResolvers<"cut">();
	const end = instance.originLink.inject(
		{
			of: isWrite,
			onAnswer: () => {
				committed.resolve();
				return killed.promise;
			},
		},
		1,
	);
	if (await within(patienceMs, committed.promise)) await instance.restart();
	end();
	killed.resolve("cut");
}

async function hold(
	link: Link,
	random: Random,
	maxStalenessMs: number,
	step: "onRequest" | "onAnswer",
): Promise<void> {
	const { promise, resolve } = Promise.withResolvers<"pass">();
	const end = link.inject({ [step]: () => promise } satisfies Fault);
	// Shorter and longer than the maximum staleness.
	await sleep(random.between(0.1, 1.6) * maxStalenessMs);
	end();
	resolve("pass");
}

async function cut(
	link: Link,
	random: Random,
	step: "onRequest" | "onAnswer",
): Promise<void> {
	const times = 1 + random.integer(3);
	const end = link.inject({ [step]: () => "cut" } satisfies Fault, times);
	await sleep(random.between(100, PATIENCE_MS));
	end();
}

function within(milliseconds: number, promise: Promise<void>) {
	return Promise.race([
		promise.then(() => true),
		sleep(milliseconds, false, { ref: false }),
	]);
}
