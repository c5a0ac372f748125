// What one isolate remembers between requests, within a bound in bytes. The least recently used goes first.
// Holds values, never promises: a request must not await a promise of another one.
export class MemoryStore<Value> {
	readonly #values = new Map<string, Value>();
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
		const value = this.#values.get(name);
		if (value === undefined) return undefined;
		// A Map keeps the order of insertion, so the last is the most recently used.
		this.#values.delete(name);
		this.#values.set(name, value);
		return value;
	}

	put(name: string, value: Value): void {
		this.#forget(name);
		const size = this.#sizeWith(name, value);
		// A larger one would drive out all others, and then itself.
		if (size > this.#maxBytes) return;
		this.#values.set(name, value);
		this.#bytes += size;
		for (const oldest of this.#values.keys()) {
			if (this.#bytes <= this.#maxBytes) break;
			this.#forget(oldest);
		}
	}

	#forget(name: string): void {
		const value = this.#values.get(name);
		if (value === undefined) return;
		this.#values.delete(name);
		this.#bytes -= this.#sizeWith(name, value);
	}

	#sizeWith(name: string, value: Value): number {
		return 2 * name.length + this.#sizeOf(value);
	}
}
