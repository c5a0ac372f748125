// Entries in the memory of one isolate, within a bound in bytes. The least recently used go first.
import { type Entry, sizeOf } from "./entry.ts";

export class MemoryStore {
	readonly #entries = new Map<string, Entry>();
	readonly #maxBytes: number;
	#bytes = 0;

	constructor(maxBytes: number) {
		this.#maxBytes = maxBytes;
	}

	/** Approximate size in use. */
	get bytes(): number {
		return this.#bytes;
	}

	get(name: string): Entry | undefined {
		const entry = this.#entries.get(name);
		if (entry === undefined) return undefined;
		// A Map keeps the order of insertion, so the last is the most recently used.
		this.#entries.delete(name);
		this.#entries.set(name, entry);
		return entry;
	}

	put(name: string, entry: Entry): void {
		this.#forget(name);
		// A larger one would drive out all others, and then itself.
		if (sizeOf(entry) > this.#maxBytes) return;
		this.#entries.set(name, entry);
		this.#bytes += sizeOf(entry);
		for (const oldest of this.#entries.keys()) {
			if (this.#bytes <= this.#maxBytes) break;
			this.#forget(oldest);
		}
	}

	#forget(name: string): void {
		const entry = this.#entries.get(name);
		if (entry === undefined) return;
		this.#entries.delete(name);
		this.#bytes -= sizeOf(entry);
	}
}
