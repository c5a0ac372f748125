// What an isolate takes at first: its process until it answers, and its first read. Each sample is of a process of its own, and the
// processes take turns with those of an empty Worker, which is a proxy of one line as well.
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../../gateway/cli/stack/ports.ts";
import { issueToken } from "../../gateway/cli/stack/tokens.ts";
import { RELAY } from "../../test/histories/faults/feed-relay.ts";
import { startWorkerd } from "../../test/support/workerd/workerd.ts";
import { spentBetween, threadTimes } from "../cost/cpu.ts";
import { ONE } from "../cost/hits.ts";
import { complain, twiceTooDear } from "../cost/limits.ts";
import { ask, expectOk, load } from "../cost/load.ts";
import {
	pollOf,
	type Server,
	type Setting,
	startObject,
	startWhole,
} from "../cost/postern.ts";
import { readFigures } from "../figures.ts";
import { type Cleanup, withCleanup } from "../freshness/stack.ts";
import { median, percentile } from "../freshness/statistics.ts";

export interface Start {
	readonly name: string;
	readonly base: string;
	/** Medians of the rounds. */
	readonly ratio: number;
	/** The middle half of the rounds' ratios. */
	readonly middle: readonly [number, number];
	readonly milliseconds: number;
	readonly baseMilliseconds: number;
	/** What the aim is about: all of it, or what is beyond that of the base. */
	readonly judgedMs: number;
	readonly aimMs?: number;
	/** The ratio that it would have then. */
	readonly aim?: number;
}

/** The CPU time of one fresh process, and of what its first read is answered by, in milliseconds. */
interface Sample {
	readonly start: number;
	readonly read: number;
	readonly origin: number;
}

const KINDS = ["empty", "whole", "isolate"] as const;
type Kind = (typeof KINDS)[number];
type Samples = Readonly<Record<Kind, readonly Sample[]>>;

/** All that a start, or a read, leaves to be done is done within this. PostgREST collects its garbage when it was idle for 300 ms. */
const SETTLED_MS = 150;
const IN_USE_MS = 2_000;
/** Several for each connection of PostgREST: what a connection does for the first time is dearer. */
const WARMING_REQUESTS = 60;

export interface StartOptions {
	readonly rounds: number;
	/** Whether ratios are compared with the recorded ones. */
	readonly isJudged: boolean;
}

export async function measureStarts(
	setting: Setting,
	{ rounds, isJudged }: StartOptions,
): Promise<Start[]> {
	await warmOrigin(setting);
	const measure = async () => {
		const starts = rowsOf(await samplesOf(setting, rounds));
		console.table(starts);
		return starts;
	};
	const starts = await measure();
	if (isJudged) {
		const { starts: recorded = [] } = await readFigures();
		// What a new object costs has no aim, and differs too much from time to time.
		const judged = starts.filter(({ aim }) => aim !== undefined);
		complain(await twiceTooDear(judged, recorded, measure));
	}
	return starts;
}

function rowsOf(samples: Samples): Start[] {
	const start = "an empty Worker's";
	const read = "a proxy's first read";
	const origin = "PostgREST and Postgres for the read itself";
	return [
		rowOf(samples, "whole", "start", {
			...{ name: "start of the script", base: start },
			...{ aimMs: 30, isBeyond: true },
		}),
		rowOf(samples, "isolate", "read", {
			...{ name: "first read, the isolate", base: read, aimMs: 10 },
		}),
		rowOf(samples, "isolate", "origin", {
			...{ name: "first read, PostgREST and Postgres", base: origin },
			aimMs: 40,
		}),
		rowOf(samples, "whole", "read", {
			...{ name: "first read of all, isolate and object", base: read },
		}),
		rowOf(samples, "whole", "origin", {
			...{ name: "first read of all, PostgREST and Postgres", base: origin },
		}),
	];
}

function rowOf(
	{ empty, ...samples }: Samples,
	kind: Exclude<Kind, "empty">,
	what: keyof Sample,
	{
		isBeyond = false,
		...row
	}: Pick<Start, "name" | "base" | "aimMs"> & { isBeyond?: boolean },
): Start {
	const of = samples[kind].map((sample) => sample[what]);
	const against = empty.map((sample) => sample[what]);
	const ratios = of.map((ms, round) => ms / (against[round] ?? 0));
	const milliseconds = median(of);
	const baseMilliseconds = median(against);
	const notJudgedMs = isBeyond ? baseMilliseconds : 0;
	return {
		...row,
		ratio: median(ratios),
		middle: [percentile(ratios, 0.25), percentile(ratios, 0.75)],
		...{ milliseconds, baseMilliseconds },
		judgedMs: milliseconds - notJudgedMs,
		...(row.aimMs !== undefined && {
			aim: (notJudgedMs + row.aimMs) / baseMilliseconds,
		}),
	};
}

/** The first round is not counted. */
async function samplesOf(
	{ stack, bundle, cleanup }: Setting,
	rounds: number,
): Promise<Samples> {
	const object = await startObject(bundle, stack, cleanup);
	const asPart = {
		companions: [
			{
				...{ name: "relay", source: RELAY },
				servers: { OBJECT: new URL(object.url).host },
			},
		],
		objectsIn: "relay",
	};
	const start: Record<Kind, (cleanup: Cleanup) => Promise<Server>> = {
		empty: (cleanup) => startEmpty(stack.postgrestUrl, cleanup),
		whole: (cleanup) => startWhole(bundle, stack, cleanup),
		isolate: (cleanup) => startWhole(bundle, stack, cleanup, asPart),
	};
	const samples: Record<Kind, Sample[]> = { empty: [], whole: [], isolate: [] };
	for (let round = 0; round <= rounds; round += 1) {
		for (const kind of round % 2 === 0 ? KINDS : KINDS.toReversed()) {
			// While it is in use, the object polls by itself.
			await ask(await pollOf(object, IN_USE_MS));
			const path = kind === "empty" ? ONE : `/rest/v1${ONE}`;
			const sample = await sampleOf(start[kind], path, stack.originPids);
			if (round > 0) samples[kind].push(sample);
		}
	}
	return samples;
}

/** A sample of a process that ends with it. */
function sampleOf(
	start: (cleanup: Cleanup) => Promise<Server>,
	path: string,
	originPids: readonly number[],
): Promise<Sample> {
	return withCleanup(async (cleanup) => {
		const { url, pids } = await start(cleanup);
		await sleep(SETTLED_MS);
		const times = () => [threadTimes(pids), threadTimes(originPids)] as const;
		const [begun, originBefore] = times();
		const asked = { url: url + path };
		expectOk(await ask(asked), asked);
		await sleep(SETTLED_MS);
		const [after, originAfter] = times();
		return {
			start: spentBetween(new Map(), begun) / 1_000,
			read: spentBetween(begun, after) / 1_000,
			origin: spentBetween(originBefore, originAfter) / 1_000,
		};
	});
}

async function warmOrigin({ stack }: Setting): Promise<void> {
	const { postgrestUrl, credentials } = stack;
	const claims = { aud: "postgrest", role: "postern" };
	const token = await issueToken(credentials.originSigningKey, claims, 600);
	const ofFeed = {
		authorization: `Bearer ${token}`,
		"content-type": "application/json",
		"content-profile": "postern",
	};
	const options = { count: WARMING_REQUESTS, check: expectOk };
	await load(options, () => ({ url: postgrestUrl + ONE }));
	await load(options, () => ({
		...{ url: `${postgrestUrl}/rpc/catalog`, method: "POST", headers: ofFeed },
		body: JSON.stringify({ schemas: ["api"], pre_request: null }),
	}));
	await load(options, () => ({
		...{ url: `${postgrestUrl}/rpc/changes_since`, method: "POST" },
		...{ headers: ofFeed, body: JSON.stringify({ cursor: null }) },
	}));
}

/** An empty Worker: it answers /health, and passes all else on. */
async function startEmpty(
	originUrl: string,
	cleanup: Cleanup,
): Promise<Server> {
	const worker = await startWorkerd({
		bundle: `
			import { DurableObject } from "cloudflare:workers";
			// wrangler.jsonc names them.
			export class ChangeFeed extends DurableObject {}
			export class CallerLimits extends DurableObject {}
			export default {
				fetch({ url }) {
					const { pathname, search } = new URL(url);
					return pathname === "/health" ? new Response("ok") : fetch(${JSON.stringify(originUrl)} + pathname + search);
				},
			};
		`,
		...{ port: await freePort(), variables: {}, log: () => {} },
	});
	cleanup.push(worker.stop);
	return { url: worker.url, pids: [worker.pid ?? 0] };
}
