// What Postern takes besides CPU: writes into KV, memory, and the size of the Worker.
import { gzipSync } from "node:zlib";
import { freePort } from "../../gateway/cli/stack/ports.ts";
import { workerVariables } from "../../gateway/cli/stack/wrangler.ts";
import { startWorkerd } from "../../test/support/workerd/workerd.ts";
import type { BenchStack } from "../freshness/stack.ts";
import { startFloor } from "./floor.ts";
import { type Hit, warm } from "./hits.ts";
import { type Answered, ask, load } from "./load.ts";
import { heldMb, peakMb } from "./memory.ts";
import type { Postern } from "./postern.ts";

export interface Size {
	readonly name: string;
	readonly base: string;
	readonly ratio: number;
	readonly aim: number;
	readonly value: string;
}

const KIB = 1_024;
const READS = 1_000;
const MAX_BUNDLE_KIB = 110;
/** 893 kB. */
const LARGE = "/articles?select=*,again:body&limit=808";
const LARGE_READS = 320;
/** The isolate's memory of answers: gateway/src/cache/read-cache.ts. */
const MEMORY_MB = 32;
/** More than the memory holds, at about 3 kB each. */
const SMALL_ENTRIES = 14_000;

/** URLs that nothing else asks for. */
const small = (number: number) =>
	`/articles?id=eq.${1 + (number % 1_000)}&select=id,title&order=id&limit=${number + 1}`;

export function sizeOfBundle(bundle: string): Size {
	const kib = gzipSync(bundle).length / KIB;
	return {
		...{ name: "the example's bundle, gzip", base: `${MAX_BUNDLE_KIB} KiB` },
		...{ ratio: kib / MAX_BUNDLE_KIB, aim: 1 },
		value: `${kib.toFixed(0)} KiB`,
	};
}

export async function writesIntoKv({
	whole,
	kvWrites,
}: Postern): Promise<Size> {
	const before = kvWrites();
	await load({ count: READS, check: expectOk }, (number) => ({
		url: `${whole.url}/rest/v1${small(number)}`,
	}));
	const writes = kvWrites() - before;
	return {
		...{ name: "writes into KV", base: "reads of URLs that are asked once" },
		...{ ratio: writes / READS, aim: 0.05 },
		value: `${writes} for ${READS.toLocaleString("en")}`,
	};
}

/** Each with a workerd of its own. Of workerd's memory much is garbage that V8 has not collected. */
export async function memory(
	stack: BenchStack,
	bundle: string,
	[hit]: readonly Hit[],
): Promise<Size[]> {
	const inspectorPort = await freePort();
	const worker = await startWorkerd({
		...{ bundle, inspectorPort, port: await freePort(), log: () => {} },
		variables: workerVariables(stack.postgrestUrl, stack.credentials),
	});
	const proxy = await startFloor([], stack.postgrestUrl);
	try {
		if (hit !== undefined) await warm(hit, worker);
		const root = `${worker.url}/rest/v1`;
		const empty = await heldMb(inspectorPort);
		await load({ count: SMALL_ENTRIES, check: expectOk }, (number) => ({
			url: root + small(number),
		}));
		const taken = (await heldMb(inspectorPort)) - empty;
		const { headers } = await ask({ url: root + small(0) });
		if (headers["cache-status"]?.includes("memory"))
			throw new Error("The isolate's memory is not full.");
		const ofFloor = await peakAfterLarge(proxy.proxyUrl, proxy.pid);
		const ofPostern = await peakAfterLarge(root, worker.pid);
		return [
			{
				...{ name: "memory taken by small entries", base: "memory counted" },
				...{ ratio: taken / MEMORY_MB, aim: 1.1 },
				value: `${taken.toFixed(1)} of ${MEMORY_MB} MB`,
			},
			{
				name: "peak memory of workerd, 893 kB read 16 at once",
				...{ base: "a proxy's", ratio: ofPostern / ofFloor, aim: 1 },
				value: `${ofPostern.toFixed(0)} and ${ofFloor.toFixed(0)} MB`,
			},
		];
	} finally {
		await proxy.stop();
		await worker.stop();
	}
}

async function peakAfterLarge(root: string, pid = 0): Promise<number> {
	await load({ count: LARGE_READS, check: expectOk }, () => ({
		url: root + LARGE,
	}));
	return peakMb(pid);
}

function expectOk({ status, body }: Answered): void {
	if (status !== 200) throw new Error(`${status} in place of 200: ${body}`);
}
