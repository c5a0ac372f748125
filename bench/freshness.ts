// `npm run bench:freshness`: how soon a commit shows in another isolate, and what a cache that hears of commits saves compared with
// one that lets answers expire (nginx). --seconds and --rate of a trace, --samples of visibility and --seed may be given.
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import {
	type Contender,
	direct,
	nginx,
	postern,
} from "./freshness/contenders.ts";
import { closeConnections, get } from "./freshness/http.ts";
import { play, type Result } from "./freshness/mix.ts";
import { findNginx } from "./freshness/nginx.ts";
import {
	judge,
	reportMix,
	reportVisibility,
	type Sightings,
} from "./freshness/report.ts";
import {
	type BenchStack,
	type Cleanup,
	startStack,
	withCleanup,
} from "./freshness/stack.ts";
import {
	articlePath,
	makeTrace,
	type Trace,
	ttlOfEqualMisses,
} from "./freshness/trace.ts";
import { gatewayWrites, ownWrites, sqlWrites } from "./freshness/visibility.ts";

/** The maximum staleness. */
const MAX_STALENESS_SECONDS = 5;
const MAX_STALENESS_MS = MAX_STALENESS_SECONDS * 1000;
const ISOLATES = 2;
const WRITE_SHARES = [0.001, 0.01, 0.1];
/** The share of writes to which the target applies. */
const TARGET_SHARE = 0.01;
/** Nothing is stored for 10 s after a schema change. */
const SETTLED_WITHIN_MS = 30_000;

const { values } = parseArgs({
	options: {
		seconds: { type: "string", default: "25" },
		rate: { type: "string", default: "200" },
		samples: { type: "string", default: "300" },
		seed: { type: "string", default: "1" },
	},
});
const { seed } = values;
const seconds = positive("seconds");
const perSecond = positive("rate");
const samples = positive("samples");

try {
	await withCleanup(async (cleanup) => {
		const stack = await startStack(cleanup);
		const own = await postern(stack, ISOLATES, MAX_STALENESS_SECONDS, cleanup);
		await untilItKeeps(own);
		const isKept = reportVisibility(
			await observe(stack, own),
			MAX_STALENESS_MS,
		);
		const isTargetMet = await compareAll(stack, own);
		if (!isKept || !isTargetMet) process.exitCode = 1;
	});
} finally {
	closeConnections();
}

function positive(name: "seconds" | "rate" | "samples"): number {
	const number = Number(values[name]);
	if (number > 0) return number;
	throw new Error(
		`--${name} is "${values[name]}"; it has to be a number above 0.`,
	);
}

/** Waits for the first answer from the cache of each isolate. */
async function untilItKeeps({ entrances }: Contender): Promise<void> {
	const giveUpAt = Date.now() + SETTLED_WITHIN_MS;
	for (const entrance of entrances) {
		let status = "";
		while (!status.includes("hit")) {
			if (Date.now() > giveUpAt)
				throw new Error(`Nothing is answered from the cache: ${status}`);
			await sleep(200);
			const answer = await get(entrance + articlePath(1));
			status = String(answer.headers["cache-status"] ?? answer.status);
		}
	}
}

async function observe(
	{ pool }: BenchStack,
	{ entrances, authorization }: Contender,
): Promise<Sightings> {
	const [writerUrl = "", readerUrl = ""] = entrances;
	const options = {
		pool,
		writerUrl,
		readerUrl,
		authorization,
		samples,
		maxStalenessMs: MAX_STALENESS_MS,
		seed,
	};
	return {
		gateway: await gatewayWrites(options),
		sql: await sqlWrites(options),
		token: await ownWrites(options),
	};
}

/** @returns whether the target is met; true without an nginx to compare with */
async function compareAll(stack: BenchStack, own: Contender): Promise<boolean> {
	const command = await findNginx();
	if (command === undefined)
		console.log("There is no nginx here (Debian: nginx-light): left out.");
	let isMet = true;
	for (const writes of WRITE_SHARES) {
		const trace = makeTrace({
			seed: `${seed}/${writes}`,
			seconds,
			perSecond,
			writes,
		});
		const results = await compare(stack, own, command, trace);
		reportMix(
			`${100 * writes} % writes, ${perSecond} requests/s for ${seconds} s`,
			results,
		);
		const [ownResult, expiring] = results;
		if (
			writes === TARGET_SHARE &&
			command !== undefined &&
			ownResult &&
			expiring
		)
			isMet = judge(ownResult, expiring, MAX_STALENESS_MS);
	}
	return isMet;
}

/** Postern, nginx with the same maximum staleness, nginx with as many hits, no cache: one after the other, because they would share the CPU. */
async function compare(
	stack: BenchStack,
	own: Contender,
	command: string | undefined,
	trace: Trace,
): Promise<Result[]> {
	const playOn = (start: (cleanup: Cleanup) => Promise<Contender>) =>
		withCleanup(async (cleanup) =>
			play(await start(cleanup), trace, stack.pool),
		);
	const results = [await play(own, trace, stack.pool)];
	if (command !== undefined) {
		const equal = ttlOfEqualMisses(trace, results[0]?.asked.reads ?? 0);
		for (const ttl of [MAX_STALENESS_SECONDS, equal])
			results.push(
				await playOn((cleanup) => nginx(stack, command, ttl, cleanup)),
			);
	}
	results.push(await playOn((cleanup) => direct(stack, cleanup)));
	return results;
}
