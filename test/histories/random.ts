// Random choices that a seed repeats. Each part of a run has its own stream, so that one part's choices do not
// depend on how often another one chose.

export interface Random {
	/** At least 0 and less than 1. */
	fraction(): number;
	/** A whole number, at least 0 and less than `below`. */
	integer(below: number): number;
	between(min: number, max: number): number;
	chance(probability: number): boolean;
	pick<T>(list: readonly T[]): T;
	/** Another stream, by name. */
	stream(name: string): Random;
}

export function randomOf(seed: number | string): Random {
	let state = hash(String(seed));

	// splitmix32
	function fraction(): number {
		state = (state + 0x9e3779b9) | 0;
		let mixed = state ^ (state >>> 16);
		mixed = Math.imul(mixed, 0x21f0aaad);
		mixed ^= mixed >>> 15;
		mixed = Math.imul(mixed, 0x735a2d97);
		return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
	}
	const integer = (below: number) => Math.floor(fraction() * below);

	return {
		fraction,
		integer,
		between: (min, max) => min + fraction() * (max - min),
		chance: (probability) => fraction() < probability,
		pick(list) {
			if (list.length === 0) throw new Error("There is nothing to pick from.");
			return list[integer(list.length)] as (typeof list)[number];
		},
		stream: (name) => randomOf(`${seed}/${name}`),
	};
}

/** One of the values, each with its weight. */
export function pickWeighted<T extends { weight: number }>(
	random: Random,
	list: readonly T[],
): T {
	const total = list.reduce((sum, { weight }) => sum + weight, 0);
	let rest = random.fraction() * total;
	for (const one of list) {
		rest -= one.weight;
		if (rest < 0) return one;
	}
	return random.pick(list);
}

export function newSeed(): number {
	return Math.floor(Math.random() * 2 ** 31);
}

/** FNV-1a. */
function hash(text: string): number {
	let value = 0x811c9dc5;
	for (const character of text) {
		value ^= character.codePointAt(0) ?? 0;
		value = Math.imul(value, 0x01000193);
	}
	return value;
}
