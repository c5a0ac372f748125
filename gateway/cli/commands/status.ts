// `postern status`: what the gateway's schema says of itself, and whether Workers of this version can use it.
import type { Command } from "commander";
import { z } from "zod";
import { contractReason } from "../../src/feed/contract.ts";
import { untestedReason } from "../../src/feed/versions.ts";
import { type DatabaseOptions, withDatabase } from "../options.ts";
import { query } from "../query.ts";

/** A database of 0.1.0 does not say. */
const faults = z.object({
	wrong: z.array(z.string()).default([]),
	postgres: z.int().optional(),
});

export function addStatus(postern: Command): void {
	withDatabase(postern.command("status"))
		.description(
			"print what is tracked and what is wrong with it; fails where something is wrong, and where a Worker of this version could not cache",
		)
		.action(async (options: DatabaseOptions) => {
			const { rows } = await query(
				options,
				"select postern.status() as status",
			);
			const [{ status }] = rows;
			console.log(JSON.stringify(status, null, 2));
			const reason = contractReason(status);
			if (reason !== undefined) throw new Error(reason);
			const { wrong, postgres } = faults.parse(status);
			const untested = untestedReason("PostgreSQL", postgres);
			if (untested !== undefined)
				console.error(
					`${untested}: nothing is cached unless CACHE_UNTESTED_VERSIONS is on`,
				);
			if (wrong.length > 0) throw new Error(wrong.join("; "));
		});
}
