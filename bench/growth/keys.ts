// Hits over ever more keys: of a real isolate, whose memory holds some thousands of these answers, and of KV, which holds all.
import { setTimeout as sleep } from "node:timers/promises";
import { KvStore } from "../../gateway/src/kv/kv-store.ts";
import { cacheKey, questionKey } from "../../gateway/src/planner/cache-key.ts";
import { randomOf } from "../../test/histories/random.ts";
import {
	type KvEntry,
	keptIn,
	startKv,
} from "../../test/support/workerd/kv.ts";
import { spentBetween, threadTimes } from "../cost/cpu.ts";
import { untilHit } from "../cost/hits.ts";
import { expectOk, load } from "../cost/load.ts";
import { type Setting, startWhole } from "../cost/postern.ts";
import { small } from "../cost/sizes.ts";

/** As many as are measured of each size. */
const HITS = 2_000;
const SOURCES = ["memory", "kv"] as const;
/** A poll may come in between. */
const EXPECTED_HITS = 0.9;
/** More than an isolate's memory holds of answers that were read again. */
const WARMING_READS = 15_000;
/** So many keys are asked for in turn, until each is answered on the fast path. */
const IN_MEMORY = 5_000;
/** One from KV, one on the full path and one on the fast path. */
const ASKS = 3;
/** So many are copied at once. */
const BATCH = 500;
const PUT_WITHIN_MS = 500;

/** @returns the cost of a hit of an isolate in use, by how many keys are asked for at random */
export async function hitsOverKeys(setting: Setting, most: number) {
	const { stack, bundle } = setting;
	const entries = new Map<string, KvEntry>();
	const kv = await startKv(keptIn(entries));
	setting.cleanup.push(kv.stop);
	// Its first answer gets into KV at once. The change feed that it is stamped by is this isolate's.
	const { url, pids } = await startWhole(bundle, stack, setting.cleanup, {
		...{ kv: { CACHE: kv.address }, variables: { KV_FROM_ASK: "1" } },
	});
	const askFor = (key: number) => ({ url: `${url}/rest/v1${small(key)}` });
	await untilHit(() => askFor(0));
	await sleep(PUT_WITHIN_MS);
	await copyEntry(entries, setting, most);
	const random = randomOf(1);
	return async (keys: number) => {
		const anyKey = () => askFor(random.integer(keys));
		if (keys <= IN_MEMORY)
			for (let time = 0; time < ASKS; time += 1)
				await load({ count: keys, check: expectOk }, askFor);
		else await load({ count: WARMING_READS, check: expectOk }, anyKey);
		const from = { memory: 0, kv: 0 };
		const before = threadTimes(pids);
		await load(
			{
				count: HITS,
				check(answer, asked) {
					expectOk(answer, asked);
					const status = answer.headers["cache-status"] ?? "";
					for (const source of SOURCES)
						if (status.includes(`detail="${source}"`)) from[source] += 1;
				},
			},
			anyKey,
		);
		const spent = spentBetween(before, threadTimes(pids));
		console.log(`${keys} keys:`, from);
		if (from.memory + from.kv < EXPECTED_HITS * HITS)
			throw new Error("Too few reads are hits.");
		return { "a hit, from the isolate's memory or else KV": spent / HITS };
	};
}

/** What the gateway keeps the anonymous answer to `small(number)` under. */
function keyOfSmall(number: number): string {
	const { searchParams } = new URL(small(number), "http://origin");
	const question = questionKey({
		...{ method: "GET", schema: "api", kind: "relation", name: "articles" },
		parameters: [...searchParams],
		...{
			accept: "application/json",
			preferences: [],
			range: null,
			rangeUnit: null,
		},
		body: null,
	});
	return cacheKey(question, { role: "anon", claims: {}, headers: {} });
}

/**
 * Puts the entry of the first key under all others, by the gateway's own code: to ask for each would take minutes. An answer is then
 * that of another row, which costs as much.
 * @throws {Error} where the first key's is not there
 */
async function copyEntry(
	entries: Map<string, KvEntry>,
	{ stack }: Setting,
	count: number,
): Promise<void> {
	const store = new KvStore({
		namespace: {
			async get(name) {
				const value = entries.get(name)?.value;
				return value === undefined ? null : new Uint8Array(value).buffer;
			},
			async put(name, value) {
				entries.set(name, {
					value: Buffer.from(value),
					...{ metadata: undefined, expiration: undefined },
				});
			},
		},
		secret: JSON.parse(stack.credentials.originSigningKey).d,
		log: console.error,
	});
	const entry = await store.get(keyOfSmall(0));
	if (entry === undefined)
		throw new Error("KV has nothing under the first key.");
	const copyTo = (number: number) => store.put(keyOfSmall(number), entry);
	for (let first = 1; first < count; first += BATCH)
		await Promise.all(
			Array.from({ length: Math.min(BATCH, count - first) }, (_, index) =>
				copyTo(first + index),
			),
		);
}
