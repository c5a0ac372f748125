// A world: a few tables, views and functions in the schema `api` with random row level security.
// Every name in a world begins with its prefix, so that many worlds fit into one database.
import fc from "fast-check";
import { readers } from "./readers.ts";
import { NO_SECURITY, security } from "./security.ts";
import { CREATE_TABLES, P, rows, sites, TABLES } from "./tables.ts";
import { seldom } from "./values.ts";

export interface World {
	/** The beginning of every name. */
	readonly prefix: string;
	/** SQL that makes the world. */
	readonly make: string;
	/** SQL that keeps the rows, and replaces policies, grants, views and functions. */
	readonly change: string;
}

/** The relations by name without the prefix. The world also has the functions `found` and `listed`. */
export const RELATIONS = [
	...["notes", "replies", "teams", "members"],
	...["shown", "open", "owned", "digest", "me"],
] as const;

/** This many worlds, the same for the same seed. */
export function worlds(seed: number, count: number): World[] {
	const blueprints = fc.sample(world, { seed, numRuns: count });
	return blueprints.map(({ make, change }, index) => {
		const prefix = `isolation_${seed.toString(36)}_${index}_`;
		return {
			prefix,
			make: make.replaceAll("@", prefix),
			change: change.replaceAll("@", prefix),
		};
	});
}

const tracking = seldom(
	fc
		.constantFrom(...TABLES)
		.map((table) => `select postern.untrack('${P}${table}');`),
	fc.constant(""),
	12,
);

const world: fc.Arbitrary<Omit<World, "prefix">> = fc
	.tuple(sites, sites)
	.chain(([before, after]) =>
		fc
			.tuple(
				rows,
				tracking,
				readers(before),
				security(before),
				readers(after),
				security(after),
			)
			.map(([filling, untracking, views, policies, ...others]) => ({
				make: [
					CREATE_TABLES,
					filling,
					...TABLES.map((table) => `select postern.track('${P}${table}');`),
					untracking,
					views,
					policies,
				].join("\n"),
				change: [NO_SECURITY, ...others].join("\n"),
			})),
	);
