// A handful of tables, views and functions in the schema `api` with random row level security: who sees what of them.
// All that belongs to one world begins with its prefix, so that many stand beside each other.
import fc from "fast-check";
import { readers } from "./readers.ts";
import { NO_SECURITY, security } from "./security.ts";
import { CREATE_TABLES, P, rows, sites, TABLES } from "./tables.ts";
import { seldom } from "./values.ts";

export interface World {
	/** Begins every name. */
	readonly prefix: string;
	/** SQL that makes it. */
	readonly make: string;
	/** SQL that leaves the rows as they are, and gives it other policies, grants, views and functions. */
	readonly change: string;
}

/** What can be read, by its name without the prefix; beside them there are the functions `found` and `listed`. */
export const RELATIONS = [
	...["notes", "replies", "teams", "members"],
	...["shown", "open", "owned", "digest", "me"],
] as const;

/** So many worlds, the same for the same seed. */
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
