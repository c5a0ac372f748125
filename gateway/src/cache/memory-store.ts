// Entries in the memory of one isolate, within a bound in bytes. The least recently used go first.
import { type Entry, sizeOf } from "./entry.ts";
import type { Store } from "./store.ts";

export class MemoryStore implements Store {
	readonly #entries = new Map<string, Entry>();
	readonly #maxBytes: number;
	#bytes = 0;

	constructor(maxBytes: number) {
		this.#maxBytes = maxBytes;
	}

	/** Bytes in use, about. */
	get bytes(): number {
		return this.#bytes;
	}

	async get(name: string): Promise<Entry | undefined> {
		return this.look(name);
	}

	async put(name: string, entry: Entry): Promise<void> {
		this.keep(name, entry);
	}

	/** `get` without waiting. */
	look(name: string): Entry | undefined {
		const entry = this.#entries.get(name);
		if (entry === undefined) return undefined;
		// A Map keeps the order of insertion: what was used last is its last.
		this.#entries.delete(name);
		this.#entries.set(name, entry);
		return entry;
	}

	/** `put` without waiting. */
	keep(name: string, entry: Entry): void {
		this.#forget(name);
		// It would drive out all others, and itself.
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
