// What Postern takes besides CPU: writes into KV, and the size of the Worker.
import { gzipSync } from "node:zlib";
import { expectOk, load } from "./load.ts";
import type { Postern } from "./postern.ts";

export interface Size {
	readonly name: string;
	readonly base: string;
	readonly ratio: number;
	readonly aim: number;
	/** The ratio should not be below this either. */
	readonly atLeast?: number;
	readonly value: string;
}

const KIB = 1_024;
const READS = 1_000;
const MAX_BUNDLE_KIB = 110;
/** URLs that nothing else asks for, with answers of about 40 bytes. */
export const small = (number: number) =>
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
