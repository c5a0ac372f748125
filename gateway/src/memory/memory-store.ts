// What one isolate remembers between requests, within a bound in bytes. The least recently used goes first.
// Holds values, never promises: a request must not await a promise of another one.
import { oldestFirst } from "./oldest-first.ts";

export class MemoryStore<Value> {
	readonly #kept = new Map<string, Kept<Value>>();
	readonly #oldest = oldestFirst(this.#kept);
	readonly #maxBytes: number;
	readonly #sizeOf: (value: Value) => number;
	#bytes = 0;

	/** @param sizeOf a value without its name, in bytes */
	constructor(maxBytes: number, sizeOf: (value: Value) => number) {
		this.#maxBytes = maxBytes;
		this.#sizeOf = sizeOf;
	}

	/** Approximate size in use. */
	get bytes(): number {
		return this.#bytes;
	}

	get(name: string): Value | undefined {
		const kept = this.#kept.get(name);
		if (kept === undefined) return undefined;
		// A Map keeps the order of insertion, so the last is the most recently used.
		this.#kept.delete(name);
		this.#kept.set(name, kept);
		return kept.value;
	}

	put(name: string, value: Value): void {
		this.#forget(name);
		const bytes = 2 * name.length + this.#sizeOf(value);
		// A larger one would drive out all others, and then itself.
		if (bytes > this.#maxBytes) return;
		this.#kept.set(name, { value, bytes: 0 });
		this.grow(name, bytes);
	}

	/** Counts what is kept with a value from now on. */
	grow(name: string, bytes: number): void {
		const kept = this.#kept.get(name);
		if (kept === undefined) return;
		kept.bytes += bytes;
		this.#bytes += bytes;
		while (this.#bytes > this.#maxBytes) this.#forget(this.#oldest());
	}

	#forget(name: string): void {
		const kept = this.#kept.get(name);
		if (kept === undefined) return;
		this.#kept.delete(name);
		this.#bytes -= kept.bytes;
	}
}

interface Kept<Value> {
	readonly value: Value;
	bytes: number;
}
