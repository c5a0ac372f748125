// What one isolate remembers between requests: a map that drops its oldest entry instead of growing beyond a bound.
// Holds values, never promises: a request must not await a promise of another one.
import { oldestFirst } from "../memory/oldest-first.ts";

export class BoundedMap<Value> {
	readonly #entries = new Map<string, Value>();
	readonly #maxEntries: number;
	readonly #oldest = oldestFirst(this.#entries);

	constructor(maxEntries: number) {
		this.#maxEntries = maxEntries;
	}

	get(name: string): Value | undefined {
		return this.#entries.get(name);
	}

	delete(name: string): void {
		this.#entries.delete(name);
	}

	set(name: string, value: Value): void {
		// A Map keeps the order of insertion. Deleting first makes a replaced entry the newest.
		this.#entries.delete(name);
		this.#entries.set(name, value);
		if (this.#entries.size > this.#maxEntries)
			this.#entries.delete(this.#oldest());
	}
}
