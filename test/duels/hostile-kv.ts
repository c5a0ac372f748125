// Workers KV in the hands of another party, who can see all of it and change it, and has no key.

import type { Random } from "../histories/random.ts";
import type { KvEntry, KvStorage } from "../support/workerd/kv.ts";

export interface HostileKv extends KvStorage {
	/** How many values were ever written. */
	readonly written: number;
	/** Changes the values that were written last. @returns what it did */
	tamper(random: Random, last: number): string;
}

export function createHostileKv(): HostileKv {
	const values = new Map<string, KvEntry>();
	const versions: (readonly [place: string, entry: KvEntry])[] = [];

	function replace(place: string, change: (bytes: Buffer) => Buffer): void {
		const entry = values.get(place);
		if (entry === undefined) return;
		values.set(place, { ...entry, value: change(Buffer.from(entry.value)) });
	}

	return {
		get written() {
			return versions.length;
		},
		get: async (place) => values.get(place),
		async put(place, entry) {
			values.set(place, entry);
			versions.push([place, entry]);
		},
		delete: async (place) => {
			values.delete(place);
		},
		tamper(random, last) {
			const recent = versions.slice(-last);
			const places = [...new Set(recent.map(([place]) => place))];
			const way = random.pick(["swap", "swap", "flip", "cut", "old"] as const);
			switch (way) {
				case "swap": {
					// Each value lies under the name of the next.
					const entries = places.map((place) => values.get(place));
					places.forEach((place, index) => {
						const entry = entries[(index + 1) % places.length];
						if (entry !== undefined) values.set(place, entry);
					});
					break;
				}
				case "flip":
					for (const place of places)
						replace(place, (bytes) => {
							const at = bytes.length - 1 - random.integer(bytes.length / 2);
							bytes.writeUInt8((bytes[at] ?? 0) ^ 1, at);
							return bytes;
						});
					break;
				case "cut":
					for (const place of places)
						replace(place, (bytes) => bytes.subarray(0, -5));
					break;
				case "old":
					for (const [place, entry] of versions.toReversed())
						values.set(place, entry);
					break;
			}
			return way;
		},
	};
}
