// The isolate's memory, beside a list that says which entry is the oldest: any puts, reads, deletions and growths.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BoundedMap } from "../../src/cache/bounded-map.ts";
import { MemoryStore } from "../../src/memory/memory-store.ts";

const MAX_BYTES = 40;
const MAX_ENTRIES = 4;

const name = fc.constantFrom(..."abcdefgh");
const steps = fc.array(
	fc.oneof(
		fc.record({ kind: fc.constant("put"), name, size: fc.nat(15) }),
		fc.record({ kind: fc.constant("get"), name, size: fc.constant(0) }),
		fc.record({ kind: fc.constant("grow"), name, size: fc.nat(15) }),
		fc.record({ kind: fc.constant("delete"), name, size: fc.constant(0) }),
	),
	{ maxLength: 200 },
);

describe("what is remembered within a bound", () => {
	it("drops the least recently used of the memory, and no other", () => {
		fc.assert(
			fc.property(steps, (given) => {
				const memory = new MemoryStore<number>(MAX_BYTES, (size) => size);
				let kept: { name: string; size: number; bytes: number }[] = [];
				const take = (name: string) => {
					const found = kept.find((entry) => entry.name === name);
					kept = kept.filter((entry) => entry !== found);
					return found;
				};
				const total = () => kept.reduce((sum, { bytes }) => sum + bytes, 0);
				for (const { kind, name, size } of given) {
					if (kind === "put") {
						memory.put(name, size);
						take(name);
						kept.push({ name, size, bytes: size + 2 });
					} else if (kind === "grow") {
						memory.grow(name, size);
						const grown = kept.find((entry) => entry.name === name);
						if (grown !== undefined) grown.bytes += size;
					} else {
						const found = take(name);
						if (found !== undefined) kept.push(found);
						expect(memory.get(name)).toBe(found?.size);
					}
					while (total() > MAX_BYTES) kept.shift();
					expect(memory.bytes).toBe(total());
				}
				const left = kept.map(({ name, size }) => [name, size]);
				expect(left.map(([name]) => [name, memory.get(String(name))])).toEqual(
					left,
				);
			}),
			{ numRuns: 1_000 },
		);
	});

	it("drops the oldest of a bounded map, and no other", () => {
		fc.assert(
			fc.property(steps, (given) => {
				const map = new BoundedMap<number>(MAX_ENTRIES);
				let kept: [name: string, value: number][] = [];
				for (const { kind, name, size } of given) {
					if (kind === "put" || kind === "delete")
						kept = kept.filter(([other]) => other !== name);
					if (kind === "put") {
						map.set(name, size);
						kept = [...kept, [name, size] as [string, number]].slice(
							-MAX_ENTRIES,
						);
					} else if (kind === "delete") map.delete(name);
					for (const other of "abcdefgh")
						expect(map.get(other)).toBe(new Map(kept).get(other));
				}
			}),
			{ numRuns: 300 },
		);
	});
});
