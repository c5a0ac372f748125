// What the isolate's memory of answers takes when it is full of small ones, and what workerd takes for a large answer.
import { freePort } from "../../gateway/cli/stack/ports.ts";
import { workerVariables } from "../../gateway/cli/stack/wrangler.ts";
import { startWorkerd } from "../../test/support/workerd/workerd.ts";
import { startFloor } from "../cost/floor.ts";
import { warm } from "../cost/hits.ts";
import { ask, expectOk, load } from "../cost/load.ts";
import { heldMb, peakMb, residentMb } from "../cost/memory.ts";
import type { Setting } from "../cost/postern.ts";
import { type Size, small } from "../cost/sizes.ts";

/** What is counted when all is full: entries (read-cache.ts), requests (fast-path.ts) and plans (planner.ts), all in gateway/src. */
const COUNTED_MB = 48 + 4 + 2;
/** More than fit, at about 9 kB each. */
const SMALL_ENTRIES = 13_000;
/** Asked for in turn, so that each answer is there when it is asked for again. */
const BATCH = 1_000;
/** A miss, a hit on the full path and one on the fast path, which keeps the headers of its answer. */
const ASKS = 3;
/** What V8 and the allocator keep for requests is in use after as many that leave nothing behind. */
const WARMING_READS = 6_000;
/** 893 kB. */
const LARGE = "/articles?select=*,again:body&limit=808";
const LARGE_READS = 320;
const MAX_RESIDENT_MB = 350;

export async function memory(setting: Setting): Promise<Size[]> {
	return [await ofSmallEntries(setting), await ofLargeAnswers(setting)];
}

/** Resident memory, because the runtime's own objects, such as an answer's headers, are in no heap that the inspector sees. */
async function ofSmallEntries(setting: Setting): Promise<Size> {
	const inspectorPort = await freePort();
	const { url, pid = 0 } = await startInspected(setting, inspectorPort);
	const root = `${url}/rest/v1`;
	/** Collected after each batch, so that the heap does not grow by garbage. @returns the resident memory then */
	const fill = async (count: number, asks: number, headers = {}) => {
		for (let first = 0; first < count; first += BATCH) {
			await load({ count: asks * BATCH, check: expectOk }, (number) => ({
				url: root + small(first + (number % BATCH)),
				headers,
			}));
			await heldMb(inspectorPort);
		}
		return residentMb(pid);
	};
	const empty = await fill(WARMING_READS, 1, { "cache-control": "no-store" });
	const taken = (await fill(SMALL_ENTRIES, ASKS)) - empty;
	const { headers } = await ask({ url: root + small(0) });
	if (headers["cache-status"]?.includes("memory"))
		throw new Error("The isolate's memory is not full.");
	return {
		name: "memory counted for small answers",
		base: "memory of workerd that they take",
		...{ ratio: COUNTED_MB / taken, atLeast: 0.9, aim: 1.1 },
		value: `${COUNTED_MB} and ${taken.toFixed(0)} MB`,
	};
}

/** Much of it is garbage that V8 has not collected. */
async function ofLargeAnswers(setting: Setting): Promise<Size> {
	const worker = await startInspected(setting, await freePort());
	const peak = await peakAfterLarge(`${worker.url}/rest/v1`, worker.pid);
	const proxy = await startFloor([], setting.stack.postgrestUrl);
	setting.cleanup.push(proxy.stop);
	const ofProxy = await peakAfterLarge(proxy.proxyUrl, proxy.pid);
	return {
		name: "most memory of workerd, 893 kB read 16 at once",
		base: `${MAX_RESIDENT_MB} MB`,
		...{ ratio: peak / MAX_RESIDENT_MB, aim: 1 },
		value: `${peak.toFixed(0)} MB, a proxy's ${ofProxy.toFixed(0)} MB`,
	};
}

async function startInspected(
	{ stack, bundle, hits, cleanup }: Setting,
	inspectorPort: number,
) {
	const worker = await startWorkerd({
		...{ bundle, inspectorPort, port: await freePort(), log: () => {} },
		variables: workerVariables(stack.postgrestUrl, stack.credentials),
	});
	cleanup.push(worker.stop);
	for (const hit of hits.slice(0, 1)) await warm(hit, worker);
	return worker;
}

async function peakAfterLarge(root: string, pid = 0): Promise<number> {
	await load({ count: LARGE_READS, check: expectOk }, () => ({
		url: root + LARGE,
	}));
	return peakMb(pid);
}
