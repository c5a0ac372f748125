// A map that forgets its oldest entry rather than grow beyond a bound: what one isolate remembers between requests.
// Holds values, never promises: a promise of one request must not be awaited by another.
export class BoundedMap<Value> {
	readonly #entries = new Map<string, Value>();
	readonly #maxEntries: number;

	constructor(maxEntries: number) {
		this.#maxEntries = maxEntries;
	}

	get(name: string): Value | undefined {
		return this.#entries.get(name);
	}

	set(name: string, value: Value): void {
		// A Map keeps the order of insertion: an entry set anew is the newest.
		this.#entries.delete(name);
		this.#entries.set(name, value);
		if (this.#entries.size <= this.#maxEntries) return;
		const [oldest] = this.#entries.keys();
		if (oldest !== undefined) this.#entries.delete(oldest);
	}
}
