// Workers KV at its worst: a read may find any version that was ever written, or none, and a
// later read an older one than an earlier read did. Writes are refused, lost or slow at times.
import { setTimeout as sleep } from "node:timers/promises";
import {
	type KvEntry,
	KvFailure,
	type KvStorage,
} from "../../support/workerd/kv.ts";
import type { Random } from "../random.ts";

export interface StaleKv extends KvStorage {
	/** While this is set, every call fails. */
	isDown: boolean;
	/** The number of faults by kind. */
	readonly misdeeds: Readonly<Record<string, number>>;
}

const NOT_FOUND = 0.1;
const OLDER = 0.4;
const SLOW = 0.03;
const REFUSED = 0.05;
const UNACKNOWLEDGED = 0.03;
const MAX_VERSIONS = 40;

export function createStaleKv(random: Random): StaleKv {
	const versions = new Map<string, (KvEntry | undefined)[]>();
	const misdeeds: Record<string, number> = {};

	function happens(probability: number, misdeed: string): boolean {
		if (!random.chance(probability)) return false;
		misdeeds[misdeed] = (misdeeds[misdeed] ?? 0) + 1;
		return true;
	}

	async function delay(): Promise<void> {
		if (kv.isDown) throw new KvFailure(503, "KV is down");
		if (happens(SLOW, "kv slow")) await sleep(random.between(5, 300));
	}

	async function write(key: string, entry: KvEntry | undefined): Promise<void> {
		await delay();
		if (happens(REFUSED, "kv write refused"))
			throw new KvFailure(429, "Too Many Requests");
		const written = versions.get(key) ?? [];
		written.push(entry);
		// Keep the first versions, because older ones show more faults.
		if (written.length > MAX_VERSIONS) written.splice(MAX_VERSIONS / 4, 1);
		versions.set(key, written);
		if (happens(UNACKNOWLEDGED, "kv write unacknowledged"))
			throw new KvFailure(500, "Internal Server Error");
	}

	const kv: StaleKv = {
		isDown: false,
		misdeeds,
		async get(key) {
			await delay();
			const written = versions.get(key);
			if (written === undefined) return undefined;
			if (happens(NOT_FOUND, "kv read found nothing")) return undefined;
			if (written.length > 1 && happens(OLDER, "kv read found an old version"))
				return random.pick(written);
			return written.at(-1);
		},
		put: write,
		delete: (key) => write(key, undefined),
	};
	return kv;
}
